// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki makes the certificates of a test cluster.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// lifetime is longer than any test cluster is kept.
const lifetime = 365 * 24 * time.Hour

// Authority signs certificates.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// Pair is a certificate and its private key, in PEM.
type Pair struct {
	Cert []byte
	Key  []byte
}

// Subject says whom a certificate is for. Its holder may use it as a client,
// and as a server under the names and addresses, of which a server needs one.
type Subject struct {
	// CommonName is the user name, and Organizations the groups, that
	// Kubernetes sees.
	CommonName    string
	Organizations []string
	DNSNames      []string
	Addresses     []netip.Addr
}

// NewAuthority makes a certificate authority.
func NewAuthority() (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	root, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "tierwall test cluster"}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return &Authority{key: key, cert: root}, nil
}

// Pair is the authority's own certificate and key, in PEM.
func (a *Authority) Pair() (Pair, error) {
	return encode(a.cert.Raw, a.key)
}

// Issue makes a key and signs a certificate for it.
func (a *Authority) Issue(s Subject) (Pair, error) {
	key, err := newKey()
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: %w", s.CommonName, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: serial number: %w", s.CommonName, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: s.CommonName, Organization: s.Organizations},
		DNSNames:     s.DNSNames,
		NotBefore:    a.cert.NotBefore,
		NotAfter:     a.cert.NotBefore.Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, address := range s.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: %w", s.CommonName, err)
	}
	return encode(der, key)
}

// NewKey makes a private key alone, in PEM, to sign service account tokens.
func NewKey() ([]byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	return keyutil.MarshalPrivateKeyToPEM(key)
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func encode(der []byte, key crypto.PrivateKey) (Pair, error) {
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		return Pair{}, fmt.Errorf("read certificate back: %w", err)
	}
	certPEM, err := cert.EncodeCertificates(signed)
	if err != nil {
		return Pair{}, fmt.Errorf("encode certificate of %s: %w", signed.Subject.CommonName, err)
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode key of %s: %w", signed.Subject.CommonName, err)
	}
	return Pair{Cert: certPEM, Key: keyPEM}, nil
}
