// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"bufio"
	"encoding/binary"
	"io"
	"mime"
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
)

const (
	// readSize is how much is read from a connection at once, in bytes: several
	// objects, since HTTP/2 answers each read that empties its buffer with a
	// packet of its own.
	readSize = 64 << 10
	// maxEvent is how long a watch event may be, in bytes; client-go takes none
	// that is longer.
	maxEvent = 16 << 20
	// lengthSize is how long the length before a watch event is, in bytes.
	lengthSize = 4
)

// Transport returns a transport that asks next, and drops what an agent does not
// need of the objects that it lists and watches. It is for rest.Config's Wrap.
func Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{next: next, pruner: newPruner()}
}

type transport struct {
	next   http.RoundTripper
	pruner pruner
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	media, parameters, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || media != runtime.ContentTypeProtobuf {
		return response, nil //nolint:nilerr // a type that cannot be read is for the client to refuse
	}
	b := &body{ReadCloser: response.Body, reader: bufio.NewReaderSize(response.Body, readSize), pruner: t.pruner}
	b.fill = b.answer
	if parameters["stream"] == "watch" {
		b.fill = b.event
	}
	response.Body, response.ContentLength = b, -1
	response.Header.Del("Content-Length")
	return response, nil
}

// body is that of a response, pruned. Only one may read from it at a time, as
// with any other; to close it meanwhile is allowed.
type body struct {
	io.ReadCloser
	reader *bufio.Reader
	pruner pruner
	// fill sets pending to what comes next. It returns io.EOF after the last.
	fill    func() error
	pending []byte
	// whole and pruned are an event as it came and what is left of it, kept for
	// their memory.
	whole, pruned []byte
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for len(b.pending) == 0 {
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.pending)
	b.pending = b.pending[n:]
	return n, nil
}

// event reads an event of a watch: a metav1.WatchEvent behind its length.
func (b *body) event() error {
	var length [lengthSize]byte
	if _, err := io.ReadFull(b.reader, length[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxEvent {
		return streaming.ErrObjectTooLarge
	}
	b.whole = slices.Grow(b.whole[:0], int(size))[:size]
	if _, err := io.ReadFull(b.reader, b.whole); err != nil {
		return err
	}
	var ok bool
	if b.pruned, ok = b.pruner.event(append(b.pruned[:0], length[:]...), b.whole); !ok {
		b.pruned = append(b.pruned[:lengthSize], b.whole...)
	}
	binary.BigEndian.PutUint32(b.pruned, uint32(len(b.pruned)-lengthSize))
	b.pending = b.pruned
	return nil
}

// answer reads all there is: an object or a list.
func (b *body) answer() error {
	whole, err := io.ReadAll(b.reader)
	if err != nil {
		return err
	}
	if len(whole) == 0 {
		return io.EOF
	}
	var ok bool
	if b.pending, ok = b.pruner.list(nil, whole); !ok {
		b.pending = whole
	}
	return nil
}
