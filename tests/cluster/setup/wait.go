package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// wait polls an endpoint until it answers 200; it gives up early when the process behind it is gone.
func wait(args []string) error {
	fs := flag.NewFlagSet("wait", flag.ExitOnError)
	url := fs.String("url", "", "endpoint")
	ca := fs.String("ca", "", "CA file")
	crt := fs.String("cert", "", "client certificate file")
	key := fs.String("key", "", "client key file")
	pid := fs.Int("pid", 0, "process that serves it")
	timeout := fs.Duration("timeout", 90*time.Second, "how long to wait")
	fs.Parse(args)
	cfg := &tls.Config{}
	if *ca != "" {
		b, err := os.ReadFile(*ca)
		if err != nil {
			return err
		}
		cfg.RootCAs = x509.NewCertPool()
		cfg.RootCAs.AppendCertsFromPEM(b)
	}
	if *crt != "" {
		pair, err := tls.LoadX509KeyPair(*crt, *key)
		if err != nil {
			return err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: cfg}}
	last := "no answer"
	for end := time.Now().Add(*timeout); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if *pid > 0 && syscall.Kill(*pid, 0) != nil {
			return fmt.Errorf("%s: process %d ended before it was ready", *url, *pid)
		}
		r, err := client.Get(*url)
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(io.LimitReader(r.Body, 4096))
		r.Body.Close()
		if r.StatusCode == http.StatusOK {
			return nil
		}
		last = fmt.Sprintf("HTTP %d %s", r.StatusCode, strings.TrimSpace(string(body)))
	}
	return fmt.Errorf("%s not ready after %s: %s", *url, *timeout, last)
}
