package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

const (
	streamIdle     = 4 * time.Hour
	streamCreation = 30 * time.Second
)

type tlsFiles struct{ cert, key, clientCA, frontProxyCA string }

func (f tlsFiles) config(caFile string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"http/1.1"}}, nil
}

// listeners serves the kubelet API on the address of every node, each opened once.
type listeners struct {
	server *http.Server
	config *tls.Config
	mu     sync.Mutex
	open   map[string]bool
}

func newListeners(a *agent, files tlsFiles) (*listeners, error) {
	cfg, err := files.config(files.clientCA)
	if err != nil {
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0)
	s := &http.Server{Handler: http.HandlerFunc(a.serveKubelet), ErrorLog: quiet, ReadHeaderTimeout: 30 * time.Second}
	return &listeners{server: s, config: cfg, open: map[string]bool{}}, nil
}

func (l *listeners) ensure(ip string, port int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[ip] {
		return nil
	}
	tcp, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	l.open[ip] = true
	go l.server.Serve(tls.NewListener(tcp, l.config))
	return nil
}

func (a *agent) serveKubelet(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case part[0] == "healthz":
		io.WriteString(w, "ok")
	case part[0] == "containerLogs" && len(part) == 4:
		a.handleLogs(w, r, part[1], part[2], part[3])
	case (part[0] == "exec" || part[0] == "attach") && (len(part) == 4 || len(part) == 5):
		pod := a.findPod(w, part)
		if pod == nil {
			return
		}
		container := part[len(part)-1]
		if s := statusOf(pod, container); s == nil || s.State.Running == nil {
			http.Error(w, fmt.Sprintf("container not found (%q)", container), http.StatusInternalServerError)
			return
		}
		options, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		rt := &runtime{a, pod}
		if part[0] == "attach" {
			remotecommand.ServeAttach(w, r, rt, pod.Name, string(pod.UID), container, options, streamIdle, streamCreation, remotecommand.SupportedStreamingProtocols)
			return
		}
		remotecommand.ServeExec(w, r, rt, pod.Name, string(pod.UID), container, r.URL.Query()["command"], options, streamIdle, streamCreation, remotecommand.SupportedStreamingProtocols)
	case part[0] == "portForward" && (len(part) == 3 || len(part) == 4):
		pod := a.findPod(w, part)
		if pod == nil {
			return
		}
		options, err := portforward.NewV4Options(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		portforward.ServePortForward(w, r, &runtime{a, pod}, pod.Name, string(pod.UID), options, streamIdle, streamCreation, portforward.SupportedProtocols)
	default:
		http.NotFound(w, r)
	}
}

func (a *agent) findPod(w http.ResponseWriter, part []string) *corev1.Pod {
	pod, err := a.pods.Pods(part[1]).Get(part[2])
	if err != nil {
		http.Error(w, fmt.Sprintf("pod %q does not exist", part[2]), http.StatusNotFound)
		return nil
	}
	return pod
}
