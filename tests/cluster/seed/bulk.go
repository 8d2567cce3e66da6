package main

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/ptr"
)

const (
	namespaces   = 10
	podsPerNode  = 450
	maxBulkPods  = 50 * podsPerNode
	bulkIndex    = 100 // of the first bulk node; the agent counts the same way
	labelIndex   = domain + "bulk-index"
	labelPool    = domain + "pool"
	bulkWorkers  = 48
	fieldManager = "kube-controller-manager"
)

// bulk makes the number of plain pods exactly what is asked. They run on nodes of their own, which
// carry a taint, so that neither their number nor their requests keep the shop from being scheduled.
func bulk(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bulk", flag.ExitOnError)
	kubeconfig := fs.String("kubeconfig", "", "kubeconfig of an administrator")
	want := fs.Int("pods", 0, "how many pods; 0 removes them all")
	schedule := fs.Bool("schedule", false, "leave the choice of the node to the scheduler, and make no nodes")
	fs.Parse(args)
	if *want > maxBulkPods {
		return fmt.Errorf("--pods is at most %d", maxBulkPods)
	}
	cfg, err := restConfig(*kubeconfig)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(cfg)
	if err != nil {
		return err
	}
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	began := time.Now()
	if *want == 0 {
		if err := removeAll(ctx, client); err != nil {
			return err
		}
		fmt.Printf("bulk pods removed in %.1f s\n", time.Since(began).Seconds())
		return nil
	}
	nodes := 0
	if !*schedule {
		nodes = (*want + podsPerNode - 1) / podsPerNode
	}
	if err := ensurePlaces(ctx, client, nodes); err != nil {
		return err
	}
	have := map[int]bool{}
	var surplus []metav1.ObjectMeta
	pods := meta.Resource(corev1.SchemeGroupVersion.WithResource("pods"))
	for n := range namespaces {
		list, err := pods.Namespace(namespaceName(n)).List(ctx, metav1.ListOptions{LabelSelector: labelIndex})
		if err != nil {
			return err
		}
		for _, p := range list.Items {
			if i, err := strconv.Atoi(p.Labels[labelIndex]); err == nil && i < *want {
				have[i] = true
			} else {
				surplus = append(surplus, p.ObjectMeta)
			}
		}
	}
	now := metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}
	if err := parallel(len(surplus), func(i int) error {
		return ignore(client.CoreV1().Pods(surplus[i].Namespace).Delete(ctx, surplus[i].Name, now), apierrors.IsNotFound)
	}); err != nil {
		return err
	}
	err = parallel(*want, func(i int) error {
		if have[i] {
			return nil
		}
		p := bulkPod(i)
		if nodes > 0 {
			p.Spec.NodeName = nodeName(i % nodes)
		}
		_, err := client.CoreV1().Pods(p.Namespace).Create(ctx, p, metav1.CreateOptions{FieldManager: fieldManager})
		return ignore(err, apierrors.IsAlreadyExists)
	})
	if err != nil {
		return err
	}
	created := time.Since(began)
	err = until(ctx, 5*time.Minute, func() (string, error) {
		for n := range namespaces {
			l, err := client.CoreV1().Pods(namespaceName(n)).List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Pending", Limit: 1})
			if err != nil {
				return "", err
			}
			if len(l.Items) > 0 {
				return "pods are pending in " + namespaceName(n), nil
			}
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d bulk pods: created in %.1f s, all running after %.1f s\n", *want, created.Seconds(), time.Since(began).Seconds())
	return nil
}

func namespaceName(n int) string { return fmt.Sprintf("bulk-%d", n) }
func nodeName(n int) string      { return fmt.Sprintf("prod-bulk-%02d", n+1) }

func ignore(err error, which func(error) bool) error {
	if err != nil && which(err) {
		return nil
	}
	return err
}

// parallel calls f for 0..n-1 with many workers and stops at the first error.
func parallel(n int, f func(int) error) error {
	work := make(chan int)
	failed := make(chan struct{})
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range min(bulkWorkers, n) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range work {
				if err := f(i); err != nil {
					once.Do(func() { first = err; close(failed) })
				}
			}
		}()
	}
feeding:
	for i := range n {
		select {
		case work <- i:
		case <-failed:
			break feeding
		}
	}
	close(work)
	wg.Wait()
	return first
}

func ensurePlaces(ctx context.Context, client *kubernetes.Clientset, nodes int) error {
	for n := range namespaces {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceName(n), Labels: map[string]string{"team": fmt.Sprintf("team-%d", n), labelPool: "bulk"}}}
		// A namespace of that name may still be going away.
		err := until(ctx, time.Minute, func() (string, error) {
			_, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
			if err = ignore(err, apierrors.IsAlreadyExists); err != nil {
				return "", err
			}
			got, err := client.CoreV1().Namespaces().Get(ctx, ns.Name, metav1.GetOptions{})
			if err != nil {
				return "", err
			}
			if got.DeletionTimestamp != nil {
				return ns.Name + " is being deleted", nil
			}
			_, err = client.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
			return "", err
		})
		if err != nil {
			return err
		}
	}
	for n := range nodes {
		name := nodeName(n)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name: name,
				Annotations: map[string]string{domain + "node-index": strconv.Itoa(bulkIndex + n), domain + "cpu": "96", domain + "memory": "384Gi",
					domain + "pods": "500"},
				Labels: map[string]string{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", labelPool: "bulk",
					"topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": "eu-central-1" + string(rune('a'+n%3)),
					"node.kubernetes.io/instance-type": "m6i.24xlarge", "node-role.kubernetes.io/bulk": ""},
			},
			Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: labelPool, Value: "bulk", Effect: corev1.TaintEffectNoSchedule}}},
		}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); ignore(err, apierrors.IsAlreadyExists) != nil {
			return err
		}
	}
	return nil
}

func removeAll(ctx context.Context, client *kubernetes.Clientset) error {
	now := metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}
	err := parallel(namespaces, func(n int) error {
		// A busy API server may need more than one request's time for a namespace.
		return until(ctx, 5*time.Minute, func() (string, error) {
			err := client.CoreV1().Pods(namespaceName(n)).DeleteCollection(ctx, now, metav1.ListOptions{})
			if err = ignore(err, apierrors.IsNotFound); err != nil {
				return "", err
			}
			return "", ignore(client.CoreV1().Namespaces().Delete(ctx, namespaceName(n), metav1.DeleteOptions{}), isGoneOrGoing)
		})
	})
	if err != nil {
		return err
	}
	if err := client.CoreV1().Nodes().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: labelPool + "=bulk"}); err != nil {
		return err
	}
	return until(ctx, 5*time.Minute, func() (string, error) {
		l, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: labelPool + "=bulk"})
		if err != nil || len(l.Items) == 0 {
			return "", err
		}
		return fmt.Sprintf("%d bulk namespaces are still being deleted", len(l.Items)), nil
	})
}

func isGoneOrGoing(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

func digest(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// bulkPod looks like a pod of a Deployment: about 7 KB as JSON once the API server has completed it.
func bulkPod(i int) *corev1.Pod {
	app := fmt.Sprintf("bulk-app-%02d", i%50)
	rs := strconv.FormatUint(digest(app)%0xffffffff, 36)
	suffix := strconv.FormatUint(digest(strconv.Itoa(i)), 36)[:5]
	env := []corev1.EnvVar{{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
	for k := range 8 {
		env = append(env, corev1.EnvVar{Name: fmt.Sprintf("APP_SETTING_%d", k), Value: fmt.Sprintf("value-%d-%d", i, k)})
	}
	probe := func(path string, every int32) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080)}}, PeriodSeconds: every}
	}
	quantity := resource.MustParse
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespaceName(i % namespaces), Name: fmt.Sprintf("%s-%s-%d%s", app, rs, i, suffix),
			Labels: map[string]string{"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "bulk", "pod-template-hash": rs,
				"shard": strconv.Itoa(i % 7), labelIndex: strconv.Itoa(i)},
			Annotations: map[string]string{domain + "quiet": "true", "checksum/config": fmt.Sprintf("%016x%016x", digest(app), digest(rs))},
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: "app", Image: fmt.Sprintf("registry.shop.example/bulk/%s:1.%d.0", app, i%9), Env: env,
				Ports:         []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
				Resources:     corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": quantity("100m"), "memory": quantity("128Mi")}, Limits: corev1.ResourceList{"cpu": quantity("500m"), "memory": quantity("512Mi")}},
				LivenessProbe: probe("/healthz", 10), ReadinessProbe: probe("/readyz", 5),
				VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/app"}},
			}},
			Volumes:     []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: app}}}}},
			Tolerations: []corev1.Toleration{{Key: labelPool, Operator: corev1.TolerationOpExists}},
		},
	}
}
