// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// journalStep is by how much a lease has to grow to be written again, and what
// is added to every lease that is read back for that reason.
const journalStep = leaseSlack

// entry is a line of the journal: an address of a name and the end of its
// lease. Later lines replace earlier ones. Ends of leases that come before their
// time are not written; such an address stays until the time that is.
type entry struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	Expires time.Time  `json:"expires"`
}

// journal is the file that what was learned survives a restart in. A line is
// appended before the kernel gets the address, without waiting for the disk:
// what has to be survived is the end of the process, not of the machine, which
// ends the pods too.
type journal struct {
	path  string
	file  *os.File
	lines int
}

// openJournal reads the journal, writes it anew with what is still good, and
// opens it to append. Lines that cannot be read are left out: what they opened
// is closed until somebody asks again.
func openJournal(path string, now time.Time) (*journal, []entry, error) {
	entries, err := readJournal(path, now)
	if err != nil {
		return nil, nil, err
	}
	j := &journal{path: path}
	return j, entries, j.rewrite(entries)
}

func readJournal(path string, now time.Time) ([]entry, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read learned domain names: %w", err)
	}
	defer func() { _ = f.Close() }()
	type key struct {
		name    string
		address netip.Addr
	}
	index := map[key]int{}
	var entries []entry
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil || !e.good(now) {
			continue
		}
		k := key{e.Name, e.Address}
		if i, ok := index[k]; ok {
			entries[i] = e
			continue
		}
		index[k] = len(entries)
		entries = append(entries, e)
	}
	return entries, nil
}

// good tells whether the entry opens anything that should be open.
func (e *entry) good(now time.Time) bool {
	name, ok := domainName(e.Name)
	return ok && name == e.Name && e.Address.IsValid() && usable(e.Address) && e.Expires.Add(journalStep).After(now)
}

// rewrite replaces the journal by one with these entries.
func (j *journal) rewrite(entries []entry) error {
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return fmt.Errorf("write learned domain names: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(j.path), filepath.Base(j.path)+".*")
	if err != nil {
		return fmt.Errorf("write learned domain names: %w", err)
	}
	fresh := &journal{path: j.path, file: f}
	if err := fresh.append(entries); err != nil {
		return errors.Join(err, fresh.close(), os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), j.path); err != nil {
		return errors.Join(fmt.Errorf("write learned domain names: %w", err), fresh.close(), os.Remove(f.Name()))
	}
	err = j.close()
	j.file, j.lines = fresh.file, fresh.lines
	return err
}

// append adds entries.
func (j *journal) append(entries []entry) error {
	w := bufio.NewWriter(j.file)
	encoder := json.NewEncoder(w)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return fmt.Errorf("write learned domain names to %s: %w", j.path, err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write learned domain names to %s: %w", j.path, err)
	}
	j.lines += len(entries)
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// tooLong tells whether most of the journal is of the past.
func (j *journal) tooLong(addresses int) bool { return j.lines > 1_000+2*addresses }

// unwritten returns the leases that grew by a step since they were last returned.
func (c *cache) unwritten() []entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	var entries []entry
	for name := range c.grown {
		for a, l := range c.names[name] {
			if l.expires.Sub(l.stored) >= journalStep {
				l.stored = l.expires
				entries = append(entries, entry{name, a, l.expires})
			}
		}
	}
	clear(c.grown)
	return entries
}

// entries returns all leases.
func (c *cache) entries() []entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := make([]entry, 0, c.addresses)
	for name, leases := range c.names {
		for a, l := range leases {
			l.stored = l.expires
			entries = append(entries, entry{name, a, l.expires})
		}
	}
	return entries
}

// restore enters what was read from the journal. The kernel has it only after
// the next commit.
func (c *cache) restore(entries []entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		if c.makeRoom(e.Name, []record{{address: e.Address}}) != nil {
			continue
		}
		l := c.extend(e.Name, record{address: e.Address}, time.Time{})
		l.expires = e.Expires.Add(journalStep)
		l.stored = l.expires
	}
}
