package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const window = "15s"

// serveMetrics answers metrics.k8s.io and registers it with the API server.
func (a *agent) serveMetrics(ctx context.Context, port int, files tlsFiles) error {
	cfg, err := files.config(files.frontProxyCA)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(a.answerMetrics), TLSConfig: cfg, ReadHeaderTimeout: 30 * time.Second}
	go s.ServeTLS(l, "", "")
	for _, o := range []struct {
		gvr  schema.GroupVersionResource
		ns   string
		body map[string]any
	}{
		{schema.GroupVersionResource{Version: "v1", Resource: "services"}, "kube-system", map[string]any{
			"apiVersion": "v1", "kind": "Service",
			"metadata": map[string]any{"name": "metrics-server", "namespace": "kube-system", "labels": map[string]any{"k8s-app": "metrics-server"}},
			"spec":     map[string]any{"type": "ExternalName", "externalName": "localhost"},
		}},
		{schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}, "", map[string]any{
			"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
			"metadata": map[string]any{"name": "v1beta1.metrics.k8s.io", "labels": map[string]any{"k8s-app": "metrics-server"}},
			"spec": map[string]any{"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100), "insecureSkipTLSVerify": true,
				"service": map[string]any{"name": "metrics-server", "namespace": "kube-system", "port": int64(port)}},
		}},
	} {
		u := &unstructured.Unstructured{Object: o.body}
		if _, err := a.dynamic.Resource(o.gvr).Namespace(o.ns).Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "metrics-server", Force: true}); err != nil {
			return fmt.Errorf("register the metrics API: %w", err)
		}
	}
	log.Printf("metrics API on port %d", port)
	return nil
}

// load is a share of what a container asks for; it sways a little over time.
func load(p *corev1.Pod, c *corev1.Container, now time.Time) (milli, bytes int64) {
	h := hash(string(p.UID) + c.Name)
	milli, bytes = 10, 32<<20
	if q, ok := c.Resources.Requests[corev1.ResourceCPU]; ok {
		milli = q.MilliValue()
	}
	if q, ok := c.Resources.Requests[corev1.ResourceMemory]; ok {
		bytes = q.Value()
	}
	sway := int64(mix(h, int(now.Unix()/15)) % 10)
	return max(1, milli*(35+int64(h%20)+sway)/100), bytes * (50 + int64(h>>8%25) + sway/2) / 100
}

func usage(milli, bytes int64) map[string]string {
	return map[string]string{"cpu": fmt.Sprintf("%dn", milli*1_000_000), "memory": fmt.Sprintf("%dKi", bytes>>10)}
}

func (a *agent) answerMetrics(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	reply := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	if len(part) < 2 || part[0] != "apis" || part[1] != "metrics.k8s.io" {
		http.NotFound(w, r)
		return
	}
	version := map[string]any{"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"}
	rest := part[2:]
	if len(rest) == 0 {
		reply(map[string]any{"kind": "APIGroup", "apiVersion": "v1", "name": "metrics.k8s.io", "versions": []any{version}, "preferredVersion": version})
		return
	}
	rest = rest[1:]
	if len(rest) == 0 {
		resource := func(name, kind string, namespaced bool) any {
			return map[string]any{"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": []string{"get", "list"}}
		}
		reply(map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.k8s.io/v1beta1",
			"resources": []any{resource("nodes", "NodeMetrics", false), resource("pods", "PodMetrics", true)}})
		return
	}
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		status(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	namespace := ""
	if rest[0] == "namespaces" && len(rest) > 2 {
		namespace, rest = rest[1], rest[2:]
	}
	name := ""
	if len(rest) > 1 {
		name = rest[1]
	}
	var items []any
	now := time.Now()
	kind := ""
	switch rest[0] {
	case "pods":
		kind = "PodMetrics"
		items = a.podMetrics(namespace, name, selector, now)
	case "nodes":
		kind = "NodeMetrics"
		items = a.nodeMetrics(name, selector, now)
	default:
		http.NotFound(w, r)
		return
	}
	if name == "" {
		reply(map[string]any{"kind": kind + "List", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": map[string]any{}, "items": items})
		return
	}
	if len(items) == 0 {
		status(w, http.StatusNotFound, "NotFound", fmt.Sprintf("%s.metrics.k8s.io %q not found", rest[0], strings.TrimPrefix(namespace+"/"+name, "/")))
		return
	}
	item := items[0].(map[string]any)
	item["kind"], item["apiVersion"] = kind, "metrics.k8s.io/v1beta1"
	reply(item)
}

func status(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: metav1.StatusReason(reason), Message: message})
}

func (a *agent) podMetrics(namespace, name string, selector labels.Selector, now time.Time) []any {
	pods, _ := a.pods.Pods(namespace).List(selector)
	items := []any{}
	for _, p := range pods {
		if name != "" && p.Name != name || p.Status.Phase != corev1.PodRunning {
			continue
		}
		containers := []any{}
		for i := range p.Spec.Containers {
			c := &p.Spec.Containers[i]
			if s := statusOf(p, c.Name); s != nil && s.State.Running != nil {
				containers = append(containers, map[string]any{"name": c.Name, "usage": usage(load(p, c, now))})
			}
		}
		if len(containers) > 0 {
			items = append(items, map[string]any{"metadata": about(p.Name, p.Namespace, p.Labels, now), "timestamp": now.UTC().Format(time.RFC3339), "window": window, "containers": containers})
		}
	}
	return items
}

func about(name, namespace string, l map[string]string, now time.Time) map[string]any {
	m := map[string]any{"name": name, "creationTimestamp": now.UTC().Format(time.RFC3339), "labels": l}
	if namespace != "" {
		m["namespace"] = namespace
	}
	return m
}

func (a *agent) nodeMetrics(name string, selector labels.Selector, now time.Time) []any {
	milli, bytes := map[string]int64{}, map[string]int64{}
	pods, _ := a.pods.List(labels.Everything())
	for _, p := range pods {
		if p.Status.Phase != corev1.PodRunning {
			continue
		}
		for i := range p.Spec.Containers {
			m, b := load(p, &p.Spec.Containers[i], now)
			milli[p.Spec.NodeName] += m
			bytes[p.Spec.NodeName] += b
		}
	}
	nodes, _ := a.nodes.List(selector)
	items := []any{}
	for _, n := range nodes {
		if name != "" && n.Name != name || !ours(n) {
			continue
		}
		items = append(items, map[string]any{"metadata": about(n.Name, "", n.Labels, now), "timestamp": now.UTC().Format(time.RFC3339), "window": window,
			"usage": usage(milli[n.Name]+180, bytes[n.Name]+(1200<<20))})
	}
	return items
}
