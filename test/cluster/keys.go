// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/tierwall/tierwall/test/cluster/internal/pki"
)

// keys are the files with certificates and keys that the programs of a cluster
// are given. Those named after a program are kubeconfigs.
type keys struct {
	signer    *pki.Authority
	bundle    []byte
	authority string

	authorityKey   string
	serviceAccount string
	apiServer      pairFiles
	kubeletClient  pairFiles

	controllerManager string
	scheduler         string
	kubeProxy         string

	admin pki.Pair
}

type pairFiles struct{ cert, key string }

// createKeys makes everything but the kubelets' own.
func (c *Cluster) createKeys() (*keys, error) {
	signer, err := pki.NewAuthority()
	if err != nil {
		return nil, err
	}
	own, err := signer.Pair()
	if err != nil {
		return nil, err
	}
	k := &keys{signer: signer, bundle: own.Cert}
	files, err := c.writePair(own, "authority")
	if err != nil {
		return nil, err
	}
	k.authority, k.authorityKey = files.cert, files.key
	for _, step := range []func(*keys) error{c.createServingKeys, c.createServiceAccountKey, c.createClientKeys} {
		if err := step(k); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (c *Cluster) createServingKeys(k *keys) (err error) {
	addresses := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	for _, f := range c.families {
		addresses = append(addresses, f.controlPlaneAddr(), f.apiService())
	}
	k.apiServer, err = c.issue(k.signer, "apiserver", pki.Subject{
		CommonName: "kube-apiserver", Addresses: addresses,
		DNSNames: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
	})
	return err
}

func (c *Cluster) createServiceAccountKey(k *keys) error {
	key, err := pki.NewKey()
	if err != nil {
		return fmt.Errorf("make service account key: %w", err)
	}
	k.serviceAccount, err = c.writeFile(key, "keys", "service-account.key")
	return err
}

func (c *Cluster) createClientKeys(k *keys) (err error) {
	masters := []string{"system:masters"}
	if k.admin, err = k.signer.Issue(pki.Subject{CommonName: "admin", Organizations: masters}); err != nil {
		return err
	}
	k.kubeletClient, err = c.issue(k.signer, "kubelet-client", pki.Subject{CommonName: "kube-apiserver-kubelet-client", Organizations: masters})
	if err != nil {
		return err
	}
	for name, file := range map[string]*string{
		"kube-controller-manager": &k.controllerManager, "kube-scheduler": &k.scheduler, "kube-proxy": &k.kubeProxy,
	} {
		if *file, err = c.createKubeconfig(k, name, pki.Subject{CommonName: "system:" + name}); err != nil {
			return err
		}
	}
	return nil
}

// createKubeconfig writes the kubeconfig of a user inside the cluster.
func (c *Cluster) createKubeconfig(k *keys, name string, subject pki.Subject) (string, error) {
	pair, err := k.signer.Issue(subject)
	if err != nil {
		return "", err
	}
	file := c.path("keys", name+".kubeconfig")
	return file, k.writeKubeconfig(file, "https://"+c.apiAddress(), pair)
}

func (k *keys) writeKubeconfig(file, server string, pair pki.Pair) error {
	const name = "tierwall-testcluster"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: k.bundle}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", file, err)
	}
	return nil
}

func (c *Cluster) issue(signer *pki.Authority, name string, subject pki.Subject) (pairFiles, error) {
	pair, err := signer.Issue(subject)
	if err != nil {
		return pairFiles{}, err
	}
	return c.writePair(pair, name)
}

func (c *Cluster) writePair(pair pki.Pair, name string) (files pairFiles, err error) {
	if files.cert, err = c.writeFile(pair.Cert, "keys", name+".crt"); err != nil {
		return files, err
	}
	files.key, err = c.writeFile(pair.Key, "keys", name+".key")
	return files, err
}
