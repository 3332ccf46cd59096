// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package redirect is how the kernel brings the DNS queries of some pods to the
// DNS proxy, and the answers of DNS servers to the proxy's sockets: rules for a
// prerouting chain as plain data, and a policy route with its rule.
//
// The rules set one bit of the packet mark ([MarkBit]) and leave all others as
// they are. The policy rule delivers packets with that bit locally, whatever
// their destination.
package redirect
