// Command setup prepares the files a test cluster starts from: ports, certificates,
// tokens, the kubeconfigs of its components, and the kubeconfig the tests use.
//
//	setup files --state DIR ...   write what is missing, keep what is there
//	setup wait  --url URL ...     wait until an endpoint answers 200
package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Each cluster listens at fixed offsets from its base port, so that a person who
// knows one port knows them all; a busy port is moved on its own.
var portOffsets = []listener{
	{"apiserver", 43},
	{"kubelet", 50},
	{"metrics", 51},
	{"controller_manager", 57},
	{"scheduler", 59},
	{"etcd", 79},
	{"etcd_peer", 80},
}

type listener struct {
	name   string
	offset int
}

// The kubelet API is served on the address of every node, anything else on 127.0.0.1.
func (l listener) addresses(cluster string) []net.IP {
	if l.name == "kubelet" {
		return nodeIPs(cluster)
	}
	return loopback
}

const (
	clusterStride = 100
	moveStride    = 200
	lastPort      = 32000 // below the ephemeral range
)

func main() {
	if len(os.Args) < 2 {
		fatal("usage: setup files|wait [flags]")
	}
	var err error
	switch os.Args[1] {
	case "files":
		err = files(os.Args[2:])
	case "wait":
		err = wait(os.Args[2:])
	default:
		err = fmt.Errorf("unknown command %q: use files or wait", os.Args[1])
	}
	if err != nil {
		fatal(err.Error())
	}
}

func fatal(msg string) {
	fmt.Fprintln(os.Stderr, "setup: "+msg)
	os.Exit(1)
}

type cluster struct {
	name  string
	dir   string
	ports map[string]int
	token map[string]string
	ca    *authority
}

func (c *cluster) pki(name string) string { return filepath.Join(c.dir, "pki", name) }
func (c *cluster) url() string            { return fmt.Sprintf("https://127.0.0.1:%d", c.ports["apiserver"]) }

func files(args []string) error {
	fs := flag.NewFlagSet("files", flag.ExitOnError)
	state := fs.String("state", "", "state directory")
	base := fs.Int("port-base", 16400, "first port")
	alive := fs.String("alive", "", "comma-separated CLUSTER/PORTNAME whose process runs and keeps its port")
	kubectl := fs.String("kubectl", "", "path of kubectl, for the env file")
	version := fs.String("kube-version", "", "Kubernetes version, for the env file")
	fs.Parse(args)
	if *state == "" {
		return fmt.Errorf("--state is missing")
	}
	running := map[string]bool{}
	for _, a := range strings.Split(*alive, ",") {
		running[a] = true
	}
	var all []*cluster
	taken := map[int]bool{}
	for i, name := range []string{"prod", "staging"} {
		c := &cluster{name: name, dir: filepath.Join(*state, name)}
		if err := os.MkdirAll(filepath.Join(c.dir, "pki"), 0o700); err != nil {
			return err
		}
		if err := c.choosePorts(*base+i*clusterStride, running, taken); err != nil {
			return err
		}
		if err := c.makePKI(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := c.makeTokens(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := c.componentKubeconfigs(); err != nil {
			return err
		}
		all = append(all, c)
	}
	dead, err := deadPort(*base+99, taken)
	if err != nil {
		return err
	}
	return publish(*state, all[0], all[1], fmt.Sprintf("https://127.0.0.1:%d", dead), *kubectl, *version)
}

func (c *cluster) choosePorts(base int, running map[string]bool, taken map[int]bool) error {
	file := filepath.Join(c.dir, "ports")
	c.ports = map[string]int{}
	if b, err := os.ReadFile(file); err == nil {
		for _, l := range strings.Split(string(b), "\n") {
			var v int
			if k, n, ok := strings.Cut(l, "="); ok {
				if _, err := fmt.Sscanf(n, "%d", &v); err == nil {
					c.ports[strings.ToLower(strings.TrimSuffix(k, "_PORT"))] = v
				}
			}
		}
	}
	var out strings.Builder
	for _, p := range portOffsets {
		port, known := c.ports[p.name]
		if !known {
			port = base + p.offset
		}
		if !running[c.name+"/"+p.name] {
			for taken[port] || !free(port, p.addresses(c.name)) {
				if port += moveStride; port > lastPort {
					return fmt.Errorf("no free port for %s of %s from %d on: set KUBE_MCP_CLUSTER_PORT_BASE to a free range", p.name, c.name, base+p.offset)
				}
			}
		}
		taken[port] = true
		c.ports[p.name] = port
		fmt.Fprintf(&out, "%s_PORT=%d\n", strings.ToUpper(p.name), port)
	}
	return writeFile(file, []byte(out.String()), 0o600)
}

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

func free(port int, addresses []net.IP) bool {
	for _, a := range addresses {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: a, Port: port})
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

func deadPort(port int, taken map[int]bool) (int, error) {
	for ; port <= lastPort; port += moveStride {
		if !taken[port] && free(port, loopback) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no closed port found for the context 'dead': set KUBE_MCP_CLUSTER_PORT_BASE to a free range")
}

var tokenUsers = []struct{ user, group string }{
	{"viewer", "shop:viewers"},
	{"checkout-dev", "shop:checkout-developers"},
	{"nobody", "shop:visitors"},
}

func (c *cluster) makeTokens() error {
	file := c.pki("tokens.csv")
	c.token = map[string]string{}
	if b, err := os.ReadFile(file); err == nil {
		for _, l := range strings.Split(string(b), "\n") {
			if f := strings.Split(l, ","); len(f) > 2 {
				c.token[f[1]] = f[0]
			}
		}
	}
	var out strings.Builder
	for i, u := range tokenUsers {
		if c.token[u.user] == "" {
			raw := make([]byte, 20)
			if _, err := rand.Read(raw); err != nil {
				return err
			}
			c.token[u.user] = c.name + "-" + u.user + "-" + hex.EncodeToString(raw)
		}
		fmt.Fprintf(&out, "%s,%s,%s-%d,\"%s\"\n", c.token[u.user], u.user, c.name, i+1, u.group)
	}
	return writeFile(file, []byte(out.String()), 0o600)
}

type kubeconfig struct{ clusters, users, contexts strings.Builder }

func (k *kubeconfig) cluster(name, url string, ca []byte) {
	fmt.Fprintf(&k.clusters, "- name: %s\n  cluster:\n    server: %s\n    certificate-authority-data: %s\n", name, url, b64(ca))
}

func (k *kubeconfig) certUser(name string, crt, key []byte) {
	fmt.Fprintf(&k.users, "- name: %s\n  user:\n    client-certificate-data: %s\n    client-key-data: %s\n", name, b64(crt), b64(key))
}

func (k *kubeconfig) tokenUser(name, token string) {
	fmt.Fprintf(&k.users, "- name: %s\n  user:\n    token: %s\n", name, token)
}

func (k *kubeconfig) context(name, cluster, user, namespace string) {
	fmt.Fprintf(&k.contexts, "- name: %s\n  context:\n    cluster: %s\n    user: %s\n", name, cluster, user)
	if namespace != "" {
		fmt.Fprintf(&k.contexts, "    namespace: %s\n", namespace)
	}
}

func (k *kubeconfig) write(file, current string) error {
	return writeFile(file, []byte("apiVersion: v1\nkind: Config\nclusters:\n"+k.clusters.String()+"users:\n"+k.users.String()+
		"contexts:\n"+k.contexts.String()+"current-context: "+current+"\n"), 0o600)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func (c *cluster) componentKubeconfigs() error {
	for _, name := range []string{"controller-manager", "scheduler", "agent", "admin"} {
		crt, key, err := readPair(c.pki(name))
		if err != nil {
			return err
		}
		var k kubeconfig
		k.cluster(c.name, c.url(), c.ca.pem)
		k.certUser(name, crt, key)
		k.context(c.name, c.name, name, "")
		if err := k.write(filepath.Join(c.dir, name+".kubeconfig"), c.name); err != nil {
			return err
		}
	}
	// The scheduler's default limit of 50 requests a second would make thousands of pods wait for their binding.
	return writeFile(filepath.Join(c.dir, "scheduler.yaml"), []byte(fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %q
  contentType: application/vnd.kubernetes.protobuf
  qps: 1000
  burst: 2000
`, filepath.Join(c.dir, "scheduler.kubeconfig"))), 0o600)
}

// publish writes what the tests read: the kubeconfig, loose credential files and the env file.
func publish(state string, prod, staging *cluster, dead, kubectl, version string) error {
	at := func(name string) string { return filepath.Join(state, name) }
	prodCrt, prodKey, err := readPair(prod.pki("admin"))
	if err != nil {
		return err
	}
	stagingCrt, stagingKey, err := readPair(staging.pki("admin"))
	if err != nil {
		return err
	}
	var k kubeconfig
	k.cluster("prod", prod.url(), prod.ca.pem)
	k.cluster("staging", staging.url(), staging.ca.pem)
	k.cluster("dead", dead, prod.ca.pem)
	k.certUser("prod-admin", prodCrt, prodKey)
	k.certUser("staging-admin", stagingCrt, stagingKey)
	for _, u := range tokenUsers {
		k.tokenUser("prod-"+u.user, prod.token[u.user])
	}
	k.context("prod", "prod", "prod-admin", "")
	k.context("staging", "staging", "staging-admin", "")
	k.context("prod-viewer", "prod", "prod-viewer", "")
	k.context("prod-checkout-dev", "prod", "prod-checkout-dev", "checkout")
	k.context("prod-nobody", "prod", "prod-nobody", "")
	k.context("dead", "dead", "prod-viewer", "")
	if err := k.write(at("kubeconfig"), "prod"); err != nil {
		return err
	}
	other, err := os.ReadFile(at("other-ca.crt"))
	if err != nil {
		a, err := newAuthority("some-other-ca", prod.name)
		if err != nil {
			return err
		}
		other = a.pem
	}
	for _, f := range []struct {
		name string
		data []byte
		mode os.FileMode
	}{
		{"prod-ca.crt", prod.ca.pem, 0o644},
		{"prod-admin.crt", prodCrt, 0o644},
		{"prod-admin.key", prodKey, 0o600},
		{"staging-ca.crt", staging.ca.pem, 0o644},
		{"prod-viewer.token", []byte(prod.token["viewer"]), 0o600},
		{"other-ca.crt", other, 0o644},
	} {
		if err := writeFile(at(f.name), f.data, f.mode); err != nil {
			return err
		}
	}
	expCrt, expKey, err := readPair(prod.pki("expired"))
	if err != nil {
		return err
	}
	if err := writeFile(at("expired.crt"), expCrt, 0o644); err != nil {
		return err
	}
	if err := writeFile(at("expired.key"), expKey, 0o600); err != nil {
		return err
	}
	var env strings.Builder
	put := func(k, v string) { fmt.Fprintf(&env, "export %s='%s'\n", k, strings.ReplaceAll(v, "'", `'\''`)) }
	put("CLUSTER_DIR", state)
	put("KUBECONFIG", at("kubeconfig"))
	put("KUBECTL", kubectl)
	put("KUBE_VERSION", version)
	put("PROD_URL", prod.url())
	put("PROD_HOST", "127.0.0.1")
	put("PROD_PORT", fmt.Sprint(prod.ports["apiserver"]))
	put("STAGING_URL", staging.url())
	put("DEAD_URL", dead)
	put("PROD_CA", at("prod-ca.crt"))
	put("STAGING_CA", at("staging-ca.crt"))
	put("OTHER_CA", at("other-ca.crt"))
	put("PROD_ADMIN_CRT", at("prod-admin.crt"))
	put("PROD_ADMIN_KEY", at("prod-admin.key"))
	put("PROD_VIEWER_TOKEN_FILE", at("prod-viewer.token"))
	put("EXPIRED_CRT", at("expired.crt"))
	put("EXPIRED_KEY", at("expired.key"))
	put("SA_DIR", at("sa"))
	return writeFile(at("env"), []byte(env.String()), 0o600)
}

// writeFile replaces a file at once, and leaves it alone when nothing changed.
func writeFile(name string, data []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == string(data) {
		return os.Chmod(name, mode)
	}
	tmp := name + ".new"
	if err := os.WriteFile(tmp, data, mode); err != nil {
		return err
	}
	if err := os.Chmod(tmp, mode); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}
