// Command seed fills a test cluster.
//
//	seed apply --kubeconfig F --dirs D,...   apply the manifests, later directories refining earlier ones
//	seed bulk  --kubeconfig F --pods N       have exactly N plain pods in the namespaces bulk-0 to bulk-9
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const domain = "sim.kube-mcp.dev/"

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	err := fmt.Errorf("usage: seed apply|bulk [flags]")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "apply":
			err = apply(ctx, os.Args[2:])
		case "bulk":
			err = bulk(ctx, os.Args[2:])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "seed:", err)
		os.Exit(1)
	}
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1
	cfg.UserAgent = "shop-seed"
	cfg.WarningHandler = rest.NoWarnings{} // the TLS Secret holds a canary, not a certificate
	return cfg, nil
}
