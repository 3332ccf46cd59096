#!/usr/bin/env bash
# Installs the Debian packages that the test cluster and the kernel tests need,
# those that are missing. Needs root. May be repeated.
set -euo pipefail

packages=(
  containerd runc containernetworking-plugins # what runs pods
  nftables conntrack iproute2                 # what Tierwall's tests and kube-proxy call
  bash-static busybox-static                  # what the image of test pods is made of
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  if [[ $status != installed ]]; then
    missing+=("$package")
  fi
done

if ((${#missing[@]} == 0)); then
  echo "Debian packages: all of ${packages[*]} are installed"
  exit 0
fi
if ((EUID != 0)); then
  echo "Debian packages ${missing[*]} are missing: run $0 as root" >&2
  exit 1
fi

echo "Debian packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive

# The test cluster runs a containerd of its own for each node. A package must
# not start another for the machine; a policy that is there already stays.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

install=(apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}")
# A fresh machine has no package lists, and a stale list names files that are
# gone: what the first try says is of no interest.
if ! "${install[@]}" 2>/dev/null; then
  apt-get update --quiet=2
  "${install[@]}"
fi
