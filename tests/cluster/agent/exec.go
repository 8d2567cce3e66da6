package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// runtime carries out streaming requests for one pod.
type runtime struct {
	*agent
	pod *corev1.Pod
}

func (r *runtime) ExecInContainer(ctx context.Context, _, _, container string, command []string, in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	if len(command) == 0 {
		return errors.New("no command given")
	}
	spec := containerSpec(r.pod, container)
	root, err := r.containerRoot(spec.Name)
	if err != nil {
		return err
	}
	// The sandbox reports on this pipe when it could not start the command; a started command closes it.
	report, reportEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	defer report.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	mode := "isolated"
	if r.hostExec {
		mode = "host"
	}
	dir := spec.WorkingDir
	if dir == "" {
		dir = "/"
	}
	c := exec.CommandContext(ctx, self, append([]string{"sandbox", mode, root, r.pod.Name, dir}, command...)...)
	c.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "HOSTNAME=" + r.pod.Name}, r.environment(ctx, spec)...)
	c.ExtraFiles = []*os.File{reportEnd}
	c.SysProcAttr = isolation(mode)
	var terminal *os.File
	if tty {
		c.Env = append(c.Env, "TERM=xterm")
		slave := (*os.File)(nil)
		if terminal, slave, err = openTerminal(); err != nil {
			reportEnd.Close()
			return err
		}
		defer terminal.Close()
		c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
		c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
		defer slave.Close()
	} else {
		if out != nil {
			c.Stdout = out
		}
		if errOut != nil {
			c.Stderr = errOut
		}
		if in != nil {
			pipe, err := c.StdinPipe()
			if err != nil {
				reportEnd.Close()
				return err
			}
			go func() { io.Copy(pipe, in); pipe.Close() }()
		}
	}
	go func() {
		for size := range resize {
			if terminal != nil {
				unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Height, Col: size.Width})
			}
		}
	}()
	// A busy process table or a forbidden namespace shows here.
	if err := c.Start(); err != nil {
		reportEnd.Close()
		return fmt.Errorf("failed to start the sandbox (KUBE_MCP_TEST_CLUSTER_EXEC=host runs commands without one): %w", err)
	}
	reportEnd.Close()
	drained := make(chan struct{})
	if terminal != nil {
		c.Stdin.(*os.File).Close()
		if in != nil {
			go io.Copy(terminal, in)
		}
		go func() {
			defer close(drained)
			if out != nil {
				io.Copy(out, terminal)
			}
		}()
	} else {
		close(drained)
	}
	problem, _ := io.ReadAll(report)
	err = c.Wait()
	<-drained
	if len(problem) > 0 {
		return fmt.Errorf("failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: %s: unknown", problem)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
		return &utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", code), Code: code}
	}
	return err
}

// AttachContainer shows the live log; an interactive container echoes what it is sent.
func (r *runtime) AttachContainer(ctx context.Context, name, uid, container string, in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	spec := containerSpec(r.pod, container)
	if spec.Stdin {
		return r.ExecInContainer(ctx, name, uid, container, []string{"/bin/sh"}, in, out, errOut, tty && spec.TTY, resize, 0)
	}
	go func() {
		for range resize {
		}
	}()
	if out == nil {
		return nil
	}
	stream, problem := logsOf(r.pod, container, false)
	if problem != "" {
		return errors.New(problem)
	}
	seen := stream.count(time.Now())
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		n := stream.count(time.Now())
		for ; seen < n; seen++ {
			if _, err := io.WriteString(out, stream.line(seen, stream.at(seen))+"\n"); err != nil {
				tick.Stop()
				return nil
			}
		}
		if p, err := r.pods.Pods(r.pod.Namespace).Get(r.pod.Name); err != nil || p.UID != r.pod.UID || p.DeletionTimestamp != nil {
			tick.Stop()
			return nil
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
	}
}

// PortForward answers as the application behind a container port would.
func (r *runtime) PortForward(_ context.Context, _, uid string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	current, err := r.pods.Pods(r.pod.Namespace).Get(r.pod.Name)
	if err != nil {
		return err
	}
	name, open := "", false
	for _, c := range current.Spec.Containers {
		for _, p := range c.Ports {
			if s := statusOf(current, c.Name); p.ContainerPort == port && s != nil && s.State.Running != nil {
				name, open = p.Name, true
			}
		}
	}
	if !open {
		return fmt.Errorf("failed to execute portforward in network namespace: failed to connect to localhost:%d inside namespace %q: dial tcp4 127.0.0.1:%d: connect: connection refused", port, uid, port)
	}
	if name != "" && !strings.Contains(name, "http") && !strings.Contains(name, "web") && !strings.Contains(name, "metrics") {
		_, err := io.Copy(stream, stream) // not HTTP: an echo
		return err
	}
	in := bufio.NewReader(stream)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			io.WriteString(stream, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			return nil
		}
		body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		if err := answer(current, req, body).Write(stream); err != nil || req.Close {
			return err
		}
	}
}

func answer(p *corev1.Pod, req *http.Request, body []byte) *http.Response {
	kind, text, status := "application/json", "", http.StatusOK
	switch req.URL.Path {
	case "/healthz", "/livez":
		kind, text = "text/plain", "ok\n"
	case "/ready", "/readyz":
		kind, text = "text/plain", "ready\n"
		if planOf(p).behaviour == notReady {
			text, status = "not ready: waiting for postgres\n", http.StatusServiceUnavailable
		}
	case "/metrics":
		kind, text = "text/plain; version=0.0.4", fmt.Sprintf("# HELP http_requests_total Requests served.\n# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} %d\n", time.Since(p.CreationTimestamp.Time)/time.Second)
	default:
		text = fmt.Sprintf("{\"app\":%q,\"pod\":%q,\"namespace\":%q,\"method\":%q,\"path\":%q,\"bytes\":%d}\n", p.Labels["app"], p.Name, p.Namespace, req.Method, req.URL.RequestURI(), len(body))
	}
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: req, Close: req.Close, ContentLength: int64(len(text)),
		Header: http.Header{"Content-Type": {kind}, "Server": {"shop"}}, Body: io.NopCloser(bytes.NewReader([]byte(text)))}
}

func containerSpec(p *corev1.Pod, name string) corev1.Container {
	for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for _, c := range list {
			if c.Name == name {
				return c
			}
		}
	}
	for _, c := range p.Spec.EphemeralContainers {
		if c.Name == name {
			return corev1.Container(c.EphemeralContainerCommon)
		}
	}
	return corev1.Container{Name: name}
}

// containerRoot is the directory that keeps a container's files from one exec to the next.
func (r *runtime) containerRoot(container string) (string, error) {
	root := filepath.Join(r.rootDir, string(r.pod.UID), container)
	if _, err := os.Stat(filepath.Join(root, "etc/hostname")); err == nil {
		return root, nil
	}
	for _, d := range []string{"etc", "dev", "proc", "usr", "tmp", "app", "home", "var/log", "var/run/secrets/kubernetes.io/serviceaccount"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return "", err
		}
	}
	files := map[string]string{
		"etc/passwd":     "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/app:/bin/sh\n",
		"etc/group":      "root:x:0:\napp:x:1000:\n",
		"etc/os-release": "NAME=\"Distroless\"\nID=distroless\nPRETTY_NAME=\"Simulated container\"\n",
		"etc/hosts":      "127.0.0.1\tlocalhost\n" + r.pod.Status.PodIP + "\t" + r.pod.Name + "\n",
		"etc/hostname":   r.pod.Name + "\n",
		"app/config.ini": "[server]\nport = 8080\nlog_level = info\n",
		"app/README.txt": "Files of " + container + " in " + r.pod.Namespace + "/" + r.pod.Name + ".\n",
		"var/run/secrets/kubernetes.io/serviceaccount/namespace": r.pod.Namespace,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	if os.Geteuid() == 0 {
		for _, d := range []string{"tmp", "app", "app/config.ini", "app/README.txt", "home", "var/log"} {
			if err := os.Chown(filepath.Join(root, d), sandboxUser, sandboxUser); err != nil {
				return "", err
			}
		}
	}
	return root, nil
}

// environment resolves a container's variables as a kubelet does, Secrets and ConfigMaps included.
func (r *runtime) environment(ctx context.Context, c corev1.Container) []string {
	var env []string
	core := r.client.CoreV1()
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef != nil {
			if m, err := core.ConfigMaps(r.pod.Namespace).Get(ctx, from.ConfigMapRef.Name, metav1.GetOptions{}); err == nil {
				for k, v := range m.Data {
					env = append(env, from.Prefix+k+"="+v)
				}
			}
		}
		if from.SecretRef != nil {
			if s, err := core.Secrets(r.pod.Namespace).Get(ctx, from.SecretRef.Name, metav1.GetOptions{}); err == nil {
				for k, v := range s.Data {
					env = append(env, from.Prefix+k+"="+string(v))
				}
			}
		}
	}
	for _, e := range c.Env {
		v := e.Value
		if f := e.ValueFrom; f != nil {
			switch {
			case f.SecretKeyRef != nil:
				if s, err := core.Secrets(r.pod.Namespace).Get(ctx, f.SecretKeyRef.Name, metav1.GetOptions{}); err == nil {
					v = string(s.Data[f.SecretKeyRef.Key])
				}
			case f.ConfigMapKeyRef != nil:
				if m, err := core.ConfigMaps(r.pod.Namespace).Get(ctx, f.ConfigMapKeyRef.Name, metav1.GetOptions{}); err == nil {
					v = m.Data[f.ConfigMapKeyRef.Key]
				}
			case f.FieldRef != nil:
				v = map[string]string{"metadata.name": r.pod.Name, "metadata.namespace": r.pod.Namespace, "status.podIP": r.pod.Status.PodIP, "spec.nodeName": r.pod.Spec.NodeName}[f.FieldRef.FieldPath]
			}
		}
		env = append(env, e.Name+"="+v)
	}
	return env
}

func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
		var n int
		if n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err == nil {
			if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err == nil {
				return master, slave, nil
			}
		}
	}
	master.Close()
	return nil, nil, err
}
