// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tierwall/tierwall/test/story"
)

// style is how the output looks: with colours on a terminal, unless NO_COLOR
// is set, and with nothing but text elsewhere.
type style struct {
	colours bool
}

func styleOf(out io.Writer) style {
	file, ok := out.(*os.File)
	return style{colours: ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == ""}
}

func (s style) bold(text string) string { return s.paint("1", text) }

// cell marks what changed with a star, in place of the padding.
func (s style) cell(cell story.Cell, changed bool, text string) string {
	if !changed {
		return text
	}
	text = strings.Replace(text, " ", "*", 1)
	if cell == story.Yes {
		return s.paint("1;32", text)
	}
	return s.paint("1;31", text)
}

func (s style) paint(code, text string) string {
	if !s.colours {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
