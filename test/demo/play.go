// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/tierwall/tierwall/test/cluster"
)

// howToPlay has commands to paste.
const howToPlay = `The cluster stays up. To look around, paste:

  export KUBECONFIG={{.Kubeconfig}} PATH="{{.Binaries}}:$PATH"

  kubectl get tcnp                                 the policies, and whether they were accepted
  kubectl describe tcnp development-to-production  conditions and events
  kubectl -n tierwall-system get pods -o wide      the agents and the managers

  # A connection of your own; it says TIMEOUT when a policy dropped it:
  kubectl -n dev exec client -- /agnhost connect --timeout=2s web.shop:8080
  kubectl -n dev exec client -- /agnhost connect --timeout=2s payments.pci:8080

  # What the kernel of a node has, with a counter for each rule:
  nsenter --net={{.Netns}} nft list table inet tierwall

  # An agent's metrics:
  agent=$(kubectl -n tierwall-system get pods -l app.kubernetes.io/component=agent -o jsonpath='{.items[0].metadata.name}')
  kubectl get --raw "/api/v1/namespaces/tierwall-system/pods/$agent:9810/proxy/metrics" | grep tierwall_rule_packets_total

  # Break a policy: "Is" is no operator. The rule fails closed, so that nobody
  # reaches payments any more, and the status says why. Then mend it:
  kubectl patch tcnp deny-dev-to-pci --type=json -p '[{"op":"add","path":"/spec/ingress/0/from/0/namespaces/matchExpressions","value":[{"key":"team","operator":"Is"}]}]'
  kubectl describe tcnp deny-dev-to-pci
  kubectl apply -f config/samples/30-deny-dev-to-pci.yaml

make demo-down removes everything.`

func (s *show) sayHowToPlay(c *cluster.Cluster) error {
	text, err := template.New("play").Parse(howToPlay)
	if err != nil {
		return fmt.Errorf("say how to play: %w", err)
	}
	var out strings.Builder
	if err := text.Execute(&out, map[string]string{
		"Kubeconfig": c.Kubeconfig(),
		"Binaries":   filepath.Dir(c.Binary("kubectl")),
		"Netns":      c.NodeNetns("node1"),
	}); err != nil {
		return fmt.Errorf("say how to play: %w", err)
	}
	s.printf("%s", out.String())
	return nil
}
