// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilexec "k8s.io/client-go/util/exec"

	"github.com/tierwall/tierwall/test/cluster/image"
)

const (
	startTimeout = 10 * time.Minute // A first run builds the binaries.
	podTimeout   = time.Minute
	serverPort   = 8080
)

func TestCluster(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Test cluster")
}

var _ = Describe("A cluster", Ordered, func() {
	var c *Cluster
	var pods map[string]*corev1.Pod
	var outside, metadata *Host

	BeforeAll(func(ctx SpecContext) {
		var err error
		c, err = Start(ctx, Config{Name: "selftest", Progress: printToGinkgo})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) { Expect(Cleanup(ctx, "selftest")).To(Succeed()) })

		outside = addServer(c, "outside", "203.0.113.10", "2001:db8::10")
		metadata = addServer(c, "metadata", "169.254.169.254")
		create(ctx, c, serverPod("one", "node1"), serverPod("two", "node2"), hostPod("host", "node2"))
		createService(ctx, c, "two")
		pods = waitPods(ctx, c, "one", "two", "host")
	}, NodeTimeout(startTimeout))

	It("connects pods of different nodes under their own addresses", func(ctx SpecContext) {
		Expect(pods["two"].Status.PodIPs).To(HaveLen(2))
		for i, address := range pods["two"].Status.PodIPs {
			Expect(fetch(ctx, c, "one", address.IP, serverPort, "/clientip")).
				To(HavePrefix(hostPort(pods["one"].Status.PodIPs[i].IP)))
		}
	}, NodeTimeout(podTimeout))

	It("resolves names of Services and balances to their pods", func(ctx SpecContext) {
		Expect(fetch(ctx, c, "one", "two.default.svc.cluster.local", 80, "/hostname")).To(Equal("two"))
		service, err := c.client.CoreV1().Services("default").Get(ctx, "two", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(service.Spec.ClusterIPs).To(HaveLen(2))
		for _, address := range service.Spec.ClusterIPs {
			Expect(fetch(ctx, c, "one", address, 80, "/hostname")).To(Equal("two"))
		}
	}, NodeTimeout(podTimeout))

	It("lets pods reach the API server, and the API server pods", func(ctx SpecContext) {
		_, _, err := c.Exec(ctx, "default", "one", "", "/agnhost", "connect", "--timeout=3s", "kubernetes.default:443")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Kubectl(ctx, "get", "--raw", fmt.Sprintf("/api/v1/namespaces/default/pods/two:%d/proxy/hostname", serverPort))).
			To(Equal("two"))
	}, NodeTimeout(podTimeout))

	It("runs commands in pods and tells their exit code", func(ctx SpecContext) {
		stdout, stderr, err := c.Exec(ctx, "default", "one", "server", "/bin/bash", "-c", "echo out; echo err >&2; exit 7")
		Expect(stdout).To(Equal("out\n"))
		Expect(stderr).To(Equal("err\n"))
		var exit utilexec.CodeExitError
		Expect(errors.As(err, &exit)).To(BeTrue(), "error: %v", err)
		Expect(exit.Code).To(Equal(7))
	}, NodeTimeout(podTimeout))

	It("masquerades pods to hosts outside, and routes hosts to pods", func(ctx SpecContext) {
		for i, address := range outside.Addresses() {
			Expect(fetch(ctx, c, "one", address.String(), serverPort, "/clientip")).
				To(HavePrefix(hostPort(c.families[i].nodeAddr(1).String())))
			script := request(pods["two"].Status.PodIPs[i].IP, serverPort, "/clientip")
			stdout, _, err := outside.Run(ctx, "bash", "-c", script)
			Expect(err).NotTo(HaveOccurred())
			Expect(stdout).To(HavePrefix(hostPort(address.String())))
		}
		Expect(fetch(ctx, c, "two", metadata.Addresses()[0].String(), serverPort, "/clientip")).
			To(HavePrefix(hostPort(c.families[0].nodeAddr(2).String())))
	}, NodeTimeout(podTimeout))

	It("gives host-network pods the name, address and directories of their node", func(ctx SpecContext) {
		Expect(pods["host"].Status.PodIP).To(Equal(c.families[0].nodeAddr(2).String()))
		stdout, _, err := c.Exec(ctx, "default", "host", "", "hostname")
		Expect(err).NotTo(HaveOccurred())
		Expect(stdout).To(Equal("node2\n"))
		_, _, err = c.Exec(ctx, "default", "host", "", "/bin/bash", "-c", "echo here > /host-run/selftest")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.path("node2", "run", "selftest")).To(BeARegularFile())
		Expect("/run/selftest").NotTo(BeAnExistingFile())
	}, NodeTimeout(podTimeout))

	It("runs a pod of a loaded image, found by another program", func(ctx SpecContext) {
		archive := filepath.Join(GinkgoT().TempDir(), "image.tar")
		Expect(image.WriteArchive(archive, image.Config{
			Names: []string{"tierwall/selftest:dev"}, Files: map[string]string{"/bin/program": c.Binary("pause")},
			Entrypoint: []string{"/bin/program"},
		})).To(Succeed())
		attached, err := Attach("selftest")
		Expect(err).NotTo(HaveOccurred())
		Expect(attached.LoadImage(ctx, archive)).To(Succeed())
		pod := serverPod("loaded", "node1")
		pod.Spec.Containers[0] = corev1.Container{Name: "program", Image: "tierwall/selftest:dev"}
		create(ctx, attached, pod)
		waitPods(ctx, attached, "loaded")
	}, NodeTimeout(podTimeout))

	It("leaves nothing of a cluster whose starter was killed, and nothing else is harmed", func(ctx SpecContext) {
		killStarter(ctx, "selftest2")
		Expect(leftovers("selftest2")).NotTo(BeEmpty(), "the starter was killed before it made anything")
		Expect(Cleanup(ctx, "selftest2")).To(Succeed())
		Eventually(leftovers).WithArguments("selftest2").WithTimeout(5 * time.Second).Should(BeEmpty())
		_, err := Attach("selftest2")
		Expect(err).To(MatchError(ErrNotRunning))
		Expect(fetch(ctx, c, "one", "two", 80, "/hostname")).To(Equal("two"))
	}, NodeTimeout(startTimeout))

	It("leaves nothing when it is stopped", func(ctx SpecContext) {
		Expect(leftovers("selftest")).NotTo(BeEmpty())
		Expect(c.Stop(ctx)).To(Succeed())
		Eventually(leftovers).WithArguments("selftest").WithTimeout(5 * time.Second).Should(BeEmpty())
	}, NodeTimeout(podTimeout))
})

// addServer adds a host that answers HTTP requests.
func addServer(c *Cluster, name string, addresses ...string) *Host {
	cfg := HostConfig{Name: name}
	for _, a := range addresses {
		cfg.Addresses = append(cfg.Addresses, netip.MustParseAddr(a))
	}
	host, err := c.AddHost(cfg)
	Expect(err).NotTo(HaveOccurred())
	_, err = host.Start("server", c.Binary("agnhost"), "netexec", fmt.Sprint("--http-port=", serverPort), "--udp-port=-1")
	Expect(err).NotTo(HaveOccurred())
	return host
}

func serverPod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			NodeName:                      node,
			TerminationGracePeriodSeconds: new(int64),
			Containers: []corev1.Container{{
				Name: "server", Image: AgnhostImage, Args: []string{"netexec", fmt.Sprint("--http-port=", serverPort)},
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/hostname", Port: intstr.FromInt(serverPort)}},
					PeriodSeconds: 1,
				},
			}},
		},
	}
}

// hostPod is like a node agent: in the node's network and with its /run.
func hostPod(name, node string) *corev1.Pod {
	pod := serverPod(name, node)
	pod.Spec.HostNetwork = true
	pod.Spec.Containers[0].Args = []string{"pause"}
	pod.Spec.Containers[0].ReadinessProbe = nil
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "run", MountPath: "/host-run"}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "run", VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: "/run"},
	}}}
	return pod
}

func create(ctx context.Context, c *Cluster, pods ...*corev1.Pod) {
	for _, pod := range pods {
		_, err := c.client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
}

func createService(ctx context.Context, c *Cluster, name string) {
	policy := corev1.IPFamilyPolicyRequireDualStack
	_, err := c.client.CoreV1().Services("default").Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name}, IPFamilyPolicy: &policy,
			Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt(serverPort)}},
		},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
}

func waitPods(ctx context.Context, c *Cluster, names ...string) map[string]*corev1.Pod {
	pods := map[string]*corev1.Pod{}
	for _, name := range names {
		Eventually(func(g Gomega) {
			pod, err := c.client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
				return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
			})).To(BeTrue(), "pod %s is not ready: %+v", name, pod.Status)
			pods[name] = pod
		}).WithContext(ctx).WithTimeout(podTimeout).Should(Succeed())
	}
	return pods
}

// fetch gives the body of the answer to an HTTP request that a pod sends.
func fetch(ctx context.Context, c *Cluster, pod, host string, port int, path string) string {
	var body string
	// kube-proxy and cluster DNS learn of a new Service a moment later.
	Eventually(func() error {
		stdout, _, err := c.Exec(ctx, "default", pod, "", "/bin/bash", "-c", request(host, port, path))
		body = stdout
		return err
	}).WithContext(ctx).WithTimeout(20 * time.Second).Should(Succeed())
	return body
}

// request is a bash script that prints the body of an HTTP answer.
func request(host string, port int, path string) string {
	return fmt.Sprintf(`exec 3<>/dev/tcp/%s/%d && printf 'GET %s HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3`, host, port, path)
}

// hostPort is how an address begins when a port follows.
func hostPort(address string) string {
	return strings.TrimSuffix(netip.AddrPortFrom(netip.MustParseAddr(address), 1).String(), "1")
}

// killStarter kills a program that starts a cluster as soon as containerds run.
func killStarter(ctx context.Context, name string) {
	program := filepath.Join(GinkgoT().TempDir(), "testcluster")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/testcluster").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
	cmd := exec.CommandContext(ctx, program, "up", "--name", name, "--nodes", "1")
	progress, err := cmd.StderrPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed())
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "containerd is ready") {
			break
		}
	}
	Expect(cmd.Process.Kill()).To(Succeed())
	Expect(cmd.Wait()).NotTo(Succeed(), "the starter ended before it was killed")
}

// leftovers finds what a cluster can leave: files, namespaces, control groups,
// and every process that has to do with one of them.
func leftovers(name string) []string {
	var found []string
	for _, pattern := range []string{
		stateDir(name), "/run/netns/" + namespacePrefix(name) + "*", "/sys/fs/cgroup" + controlGroup(name).Path(),
		"/sys/fs/cgroup/*" + controlGroup(name).Path(),
	} {
		matches, err := filepath.Glob(pattern)
		Expect(err).NotTo(HaveOccurred())
		found = append(found, matches...)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	Expect(err).NotTo(HaveOccurred())
	for _, process := range processes {
		if belongs(process, name) {
			found = append(found, process)
		}
	}
	return found
}

// belongs tells whether a process has files of the cluster mounted, as those in
// containers have, or in its arguments, or is in its control group. A process
// that ends meanwhile, or waits for its parent to notice, has none of these.
func belongs(process, name string) bool {
	for _, file := range []string{"mountinfo", "cmdline"} {
		content, _ := os.ReadFile(filepath.Join(process, file))
		if strings.Contains(string(content), stateDir(name)+"/") {
			return true
		}
	}
	groups, _ := os.ReadFile(filepath.Join(process, "cgroup"))
	return strings.Contains(string(groups), controlGroup(name).Path()+"/")
}

func printToGinkgo(format string, args ...any) { GinkgoWriter.Printf(format+"\n", args...) }
