// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package slim

import (
	"bytes"
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"k8s.io/apimachinery/pkg/watch"
)

// magic begins every object in protobuf; a runtime.Unknown follows.
const magic = "k8s\x00"

// Numbers of fields around an object, as the generated.proto of
// k8s.io/apimachinery has them.
const (
	// Of a metav1.WatchEvent.
	eventType, eventObject = 1, 2
	// Of a runtime.RawExtension.
	extensionRaw = 1
	// Of a runtime.Unknown.
	unknownTypeMeta, unknownRaw = 1, 2
	// Of a runtime.TypeMeta.
	typeMetaAPIVersion, typeMetaKind = 1, 2
)

// pruner knows what is kept of which kind.
type pruner struct {
	objects, lists map[kind]fields
}

func newPruner() pruner {
	objects := kinds()
	return pruner{objects: objects, lists: lists(objects)}
}

// event appends a metav1.WatchEvent without what is not needed of its object;
// false if it is to stay as it is. A bookmark is to: its annotations tell a
// reflector that it was sent everything.
func (p pruner) event(dst, event []byte) ([]byte, bool) {
	name, ok := single(event, eventType)
	if !ok || string(name) == string(watch.Bookmark) {
		return dst, false
	}
	extension, ok := single(event, eventObject)
	if !ok {
		return dst, false
	}
	object, ok := single(extension, extensionRaw)
	if !ok {
		return dst, false
	}
	dst = protowire.AppendTag(dst, eventType, protowire.BytesType)
	dst = protowire.AppendBytes(dst, name)
	return nested(dst, eventObject, func(dst []byte) ([]byte, bool) {
		return nested(dst, extensionRaw, func(dst []byte) ([]byte, bool) { return prune(dst, object, p.objects) })
	})
}

// list appends a list without what is not needed of its objects; false if it is
// to stay as it is. A single object is to: who asks for one may write it back.
func (p pruner) list(dst, list []byte) ([]byte, bool) { return prune(dst, list, p.lists) }

// prune appends an object of one of these kinds without what is not needed of
// it; false if it is of another.
func prune(dst, object []byte, kinds map[kind]fields) ([]byte, bool) {
	unknown, ok := bytes.CutPrefix(object, []byte(magic))
	if !ok {
		return dst, false
	}
	typeMeta, ok := single(unknown, unknownTypeMeta)
	if !ok {
		return dst, false
	}
	version, hasVersion := single(typeMeta, typeMetaAPIVersion)
	name, hasKind := single(typeMeta, typeMetaKind)
	kept, known := kinds[kind{string(version), string(name)}]
	if !hasVersion || !hasKind || !known {
		return dst, false
	}
	return fields{{unknownTypeMeta, "typeMeta", nil}, {unknownRaw, "raw", kept}}.keep(append(dst, magic...), unknown)
}

// keep appends a message with none but these fields, in the order and as often
// as they come; false if it is no message. A message with none of the fields
// that are kept within it is dropped. To a decoder that is the same, but for the
// elements of a list: those that say nothing are gone.
func (f fields) keep(dst, message []byte) ([]byte, bool) {
	for len(message) > 0 {
		p, ok := next(&message)
		if !ok {
			return dst, false
		}
		i := slices.IndexFunc(f, func(kept field) bool { return kept.number == p.number })
		switch {
		case i < 0:
		case f[i].within == nil:
			dst = append(dst, p.whole...)
		case p.wire != protowire.BytesType:
			return dst, false
		default:
			keep := func(dst []byte) ([]byte, bool) { return f[i].within.keep(dst, p.content) }
			if dst, ok = nested(dst, p.number, keep); !ok {
				return dst, false
			}
		}
	}
	return dst, true
}

// nested appends a field that is what content appends, and nothing if that is
// nothing.
func nested(dst []byte, number protowire.Number, content func([]byte) ([]byte, bool)) ([]byte, bool) {
	start := len(dst)
	dst = protowire.AppendTag(dst, number, protowire.BytesType)
	begin := len(dst)
	dst, ok := content(dst)
	size := len(dst) - begin
	if !ok || size == 0 {
		return dst[:start], ok
	}
	// The length stands before the content, and is known only after it.
	var length [binary.MaxVarintLen64]byte
	return slices.Insert(dst, begin, protowire.AppendVarint(length[:0], uint64(size))...), true
}

// single returns the content of the one field with that number; false if there
// is not exactly one, or this is no message.
func single(message []byte, number protowire.Number) (content []byte, found bool) {
	for len(message) > 0 {
		p, ok := next(&message)
		if !ok {
			return nil, false
		}
		if p.number != number {
			continue
		}
		if found || p.wire != protowire.BytesType {
			return nil, false
		}
		content, found = p.content, true
	}
	return content, found
}

// part is a field of a message.
type part struct {
	number protowire.Number
	wire   protowire.Type
	// whole is the field as it is in the message; content is what is in it, if
	// wire is BytesType.
	whole, content []byte
}

// next takes the first field off a message; false if it is none.
func next(message *[]byte) (part, bool) {
	number, wire, tag := protowire.ConsumeTag(*message)
	if tag < 0 {
		return part{}, false
	}
	value := protowire.ConsumeFieldValue(number, wire, (*message)[tag:])
	if value < 0 {
		return part{}, false
	}
	p := part{number: number, wire: wire, whole: (*message)[:tag+value]}
	if wire == protowire.BytesType {
		p.content, _ = protowire.ConsumeBytes(p.whole[tag:])
	}
	*message = (*message)[tag+value:]
	return p, true
}
