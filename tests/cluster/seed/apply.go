package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

type seeder struct {
	dynamic dynamic.Interface
	typed   *kubernetes.Clientset
	mu      sync.Mutex
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func apply(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("apply", flag.ExitOnError)
	kubeconfig := fs.String("kubeconfig", "", "kubeconfig of an administrator")
	dirs := fs.String("dirs", "", "comma-separated directories of manifests")
	tokenDir := fs.String("token-dir", "", "write the service account kube-mcp's token, ca.crt and namespace here")
	ca := fs.String("ca", "", "CA file to put beside the token")
	settle := fs.Bool("wait", false, "wait until the workloads are settled")
	fs.Parse(args)
	cfg, err := restConfig(*kubeconfig)
	if err != nil {
		return err
	}
	s := &seeder{}
	if s.typed, err = kubernetes.NewForConfig(cfg); err != nil {
		return err
	}
	if s.dynamic, err = dynamic.NewForConfig(cfg); err != nil {
		return err
	}
	s.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(s.typed.Discovery()))
	objects, err := load(strings.Split(*dirs, ","))
	if err != nil {
		return err
	}
	// What others depend on goes first; within a stage the order does not matter.
	stages := make([][]*unstructured.Unstructured, 3)
	for _, o := range objects {
		switch o.GetKind() {
		case "CustomResourceDefinition", "Namespace", "StorageClass", "PriorityClass":
			stages[0] = append(stages[0], o)
		case "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod":
			stages[2] = append(stages[2], o)
		default:
			stages[1] = append(stages[1], o)
		}
	}
	for i, stage := range stages {
		if err := s.applyAll(ctx, stage); err != nil {
			return err
		}
		if i == 0 {
			if err := s.established(ctx, stage); err != nil {
				return err
			}
		}
	}
	if *tokenDir != "" {
		if err := s.writeToken(ctx, *tokenDir, *ca); err != nil {
			return err
		}
	}
	if *settle {
		return s.settle(ctx, stages[2])
	}
	return nil
}

// load reads all manifests; a document of a later directory is merged into its namesake of an earlier one.
func load(dirs []string) ([]*unstructured.Unstructured, error) {
	byKey := map[string]*unstructured.Unstructured{}
	var order []string
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("no *.yaml in %s: check --dirs", dir)
		}
		sort.Strings(files)
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for _, doc := range splitDocuments(b) {
				js, err := yaml.YAMLToJSON(doc)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
				if string(js) == "null" {
					continue
				}
				u := &unstructured.Unstructured{}
				if err := u.UnmarshalJSON(js); err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
				key := strings.Join([]string{u.GroupVersionKind().GroupKind().String(), u.GetNamespace(), u.GetName()}, "/")
				if old := byKey[key]; old != nil {
					old.Object = merge(old.Object, u.Object).(map[string]any)
					continue
				}
				byKey[key] = u
				order = append(order, key)
			}
		}
	}
	var out []*unstructured.Unstructured
	for _, k := range order {
		out = append(out, byKey[k])
	}
	return out, nil
}

func splitDocuments(b []byte) [][]byte {
	return bytes.Split(append([]byte("\n"), b...), []byte("\n---\n"))
}

// merge refines base: maps member by member, lists of named items by name, anything else is replaced.
func merge(base, over any) any {
	switch o := over.(type) {
	case map[string]any:
		b, ok := base.(map[string]any)
		if !ok {
			return o
		}
		for k, v := range o {
			if old, have := b[k]; have {
				v = merge(old, v)
			}
			b[k] = v
		}
		return b
	case []any:
		b, ok := base.([]any)
		if !ok || !named(b) || !named(o) {
			return o
		}
		for _, item := range o {
			found := false
			for i := range b {
				if b[i].(map[string]any)["name"] == item.(map[string]any)["name"] {
					b[i], found = merge(b[i], item), true
				}
			}
			if !found {
				b = append(b, item)
			}
		}
		return b
	}
	return over
}

func named(list []any) bool {
	for _, i := range list {
		m, ok := i.(map[string]any)
		if !ok || m["name"] == nil {
			return false
		}
	}
	return true
}

func (s *seeder) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	s.mu.Lock()
	m, err := s.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		return s.dynamic.Resource(m.Resource), nil
	}
	return s.dynamic.Resource(m.Resource).Namespace(o.GetNamespace()), nil
}

func (s *seeder) applyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	work := make(chan *unstructured.Unstructured)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var problems []error
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for o := range work {
				if err := s.applyOne(ctx, o); err != nil {
					mu.Lock()
					problems = append(problems, fmt.Errorf("%s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err))
					mu.Unlock()
				}
			}
		}()
	}
	for _, o := range objects {
		work <- o
	}
	close(work)
	wg.Wait()
	return errors.Join(problems...)
}

// applyOne retries what a cluster that has only just started refuses for a moment.
func (s *seeder) applyOne(ctx context.Context, o *unstructured.Unstructured) error {
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var r dynamic.ResourceInterface
		if r, err = s.resource(o); err == nil {
			spec := o.DeepCopy()
			status, hasStatus := spec.Object["status"]
			delete(spec.Object, "status")
			opt := metav1.ApplyOptions{FieldManager: "shop-seed", Force: true}
			if _, err = r.Apply(ctx, o.GetName(), spec, opt); err == nil && hasStatus {
				part := &unstructured.Unstructured{Object: map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(),
					"metadata": map[string]any{"name": o.GetName(), "namespace": o.GetNamespace()}, "status": status}}
				if o.GetNamespace() == "" {
					unstructured.RemoveNestedField(part.Object, "metadata", "namespace")
				}
				_, err = r.ApplyStatus(ctx, o.GetName(), part, metav1.ApplyOptions{FieldManager: "shop-controller", Force: true})
			}
		}
		if err == nil || ctx.Err() != nil || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
			return err
		}
		if meta.IsNoMatchError(err) {
			s.mu.Lock()
			s.mapper.Reset()
			s.mu.Unlock()
		}
	}
	return err
}

func (s *seeder) established(ctx context.Context, objects []*unstructured.Unstructured) error {
	crds := s.dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for _, o := range objects {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		err := until(ctx, 20*time.Second, func() (string, error) {
			got, err := crds.Get(ctx, o.GetName(), metav1.GetOptions{})
			if err != nil {
				return "", err
			}
			if conditionTrue(got, "Established") {
				return "", nil
			}
			return o.GetName() + " is not established", nil
		})
		if err != nil {
			return err
		}
	}
	s.mapper.Reset()
	return nil
}

func conditionTrue(o *unstructured.Unstructured, kind string) bool {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range list {
		if m, ok := c.(map[string]any); ok && m["type"] == kind && m["status"] == "True" {
			return true
		}
	}
	return false
}

// until repeats a check until it has nothing left to wait for.
func until(ctx context.Context, limit time.Duration, check func() (string, error)) error {
	for end := time.Now().Add(limit); ; time.Sleep(250 * time.Millisecond) {
		missing, err := check()
		if err == nil && missing == "" {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			if err != nil {
				return err
			}
			return fmt.Errorf("after %s still waiting: %s", limit, missing)
		}
	}
}

// settle waits for every workload; one that never can be ready (annotation "settles": "false")
// counts as settled when all its pods show what is wrong with them.
func (s *seeder) settle(ctx context.Context, workloads []*unstructured.Unstructured) error {
	for _, o := range workloads {
		if o.GetKind() == "CronJob" {
			continue
		}
		r, err := s.resource(o)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
		err = until(ctx, 90*time.Second, func() (string, error) {
			got, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
			if err != nil {
				return "", err
			}
			if got.GetAnnotations()[domain+"settles"] == "false" {
				return s.troubled(ctx, got, what)
			}
			return unsettled(got, what), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func number(o *unstructured.Unstructured, otherwise int64, path ...string) int64 {
	if n, ok, _ := unstructured.NestedInt64(o.Object, path...); ok {
		return n
	}
	return otherwise
}

func unsettled(o *unstructured.Unstructured, what string) string {
	want := number(o, 1, "spec", "replicas")
	var have []int64
	switch o.GetKind() {
	case "Deployment":
		have = []int64{number(o, 0, "status", "replicas"), number(o, 0, "status", "updatedReplicas"), number(o, 0, "status", "availableReplicas")}
	case "StatefulSet":
		have = []int64{number(o, 0, "status", "updatedReplicas"), number(o, 0, "status", "availableReplicas")}
	case "DaemonSet":
		want = max(1, number(o, 0, "status", "desiredNumberScheduled"))
		have = []int64{number(o, 0, "status", "updatedNumberScheduled"), number(o, 0, "status", "numberAvailable")}
	case "Job":
		if conditionTrue(o, "Complete") || conditionTrue(o, "Failed") {
			return ""
		}
		return what + " has not finished"
	default:
		return ""
	}
	if number(o, 0, "status", "observedGeneration") < o.GetGeneration() {
		return what + " has not been observed"
	}
	for _, n := range have {
		if n != want {
			return fmt.Sprintf("%s wants %d, has %v", what, want, have)
		}
	}
	return ""
}

func (s *seeder) troubled(ctx context.Context, o *unstructured.Unstructured, what string) (string, error) {
	match, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels")
	list, err := s.typed.CoreV1().Pods(o.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: match})})
	if err != nil {
		return "", err
	}
	shown := int64(0)
	for _, p := range list.Items {
		bad := false
		for _, c := range p.Status.Conditions {
			bad = bad || c.Status == "False" && (c.Reason == "Unschedulable" || c.Reason == "ContainersNotReady")
		}
		for _, c := range p.Status.ContainerStatuses {
			bad = bad && (c.State.Waiting == nil || c.State.Waiting.Reason != "ErrImagePull")
		}
		if bad {
			shown++
		}
	}
	if want := number(o, 1, "spec", "replicas"); shown < want {
		return fmt.Sprintf("%s: %d of %d pods show their trouble", what, shown, want), nil
	}
	return "", nil
}

// writeToken lays a real token out as it is mounted into a pod.
func (s *seeder) writeToken(ctx context.Context, dir, ca string) error {
	const name = "kube-mcp"
	t, err := s.typed.CoreV1().ServiceAccounts(name).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(24 * 3600))}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("token for service account %s: %w", name, err)
	}
	caPEM, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for file, data := range map[string][]byte{"token": []byte(t.Status.Token), "ca.crt": caPEM, "namespace": []byte(name)} {
		tmp := filepath.Join(dir, "."+file+".new")
		if err := os.WriteFile(tmp, data, 0o600); err != nil {
			return err
		}
		if err := os.Rename(tmp, filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	return nil
}
