package main

import (
	"context"
	"fmt"
	"log"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// A node is simulated by this agent when it carries its index as an annotation. Nodes
// with an index from bulkIndex on are made by the seed program for many pods at once.
const (
	domain          = "sim.kube-mcp.dev/"
	annotationIndex = domain + "node-index"
	bulkIndex       = 100
	heartbeat       = 10 * time.Second
)

type machine struct{ name, zone, kind, cpu, memory string }

func machines(cluster string) (region string, list []machine) {
	if cluster == "staging" {
		return "eu-west-1", []machine{
			{"staging-worker-a1", "a", "m6i.xlarge", "4", "16Gi"},
			{"staging-worker-b1", "b", "m6i.xlarge", "4", "16Gi"},
		}
	}
	return "eu-central-1", []machine{
		{"prod-worker-a1", "a", "m6i.2xlarge", "8", "32Gi"},
		{"prod-worker-b1", "b", "m6i.2xlarge", "8", "32Gi"},
		{"prod-worker-c1", "c", "r6i.2xlarge", "8", "64Gi"},
	}
}

func ours(n *corev1.Node) bool { return n.Annotations[annotationIndex] != "" }

func nodeIndex(n *corev1.Node) int {
	i, err := strconv.Atoi(n.Annotations[annotationIndex])
	if err != nil {
		return 0
	}
	return i
}

// nodeIP gives every node a loopback address of its own.
func (a *agent) nodeIP(index int) string {
	third := 10
	if a.cluster == "staging" {
		third = 20
	}
	if index >= bulkIndex {
		return fmt.Sprintf("127.0.%d.%d", third+1, index-bulkIndex+1)
	}
	return fmt.Sprintf("127.0.%d.%d", third, index+11)
}

// Each node has a /22 of 10.x.0.0/16, x being 244 or, for staging, 245.
func (a *agent) podIP(index, n int) string {
	second := 244
	if a.cluster == "staging" {
		second = 245
	}
	if index >= bulkIndex {
		index -= bulkIndex - 8
	}
	return fmt.Sprintf("10.%d.%d.%d", second, index*4+n>>8, n&255)
}

func (a *agent) registerNodes(ctx context.Context) error {
	region, list := machines(a.cluster)
	for i, m := range list {
		n := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name:        m.name,
				Annotations: map[string]string{annotationIndex: strconv.Itoa(i), domain + "cpu": m.cpu, domain + "memory": m.memory},
				Labels: map[string]string{
					"kubernetes.io/hostname": m.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
					"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": region + m.zone,
					"node.kubernetes.io/instance-type": m.kind, "node-role.kubernetes.io/worker": "",
				},
			},
			Spec: corev1.NodeSpec{
				ProviderID: fmt.Sprintf("aws:///%s%s/i-0%016x", region, m.zone, hash(a.cluster+m.name)),
				PodCIDR:    strings.TrimSuffix(a.podIP(i, 0), ".0") + ".0/22",
			},
		}
		if _, err := a.client.CoreV1().Nodes().Create(ctx, n, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// syncNode listens on a new node's address, reports its status and renews its lease at once.
func (a *agent) syncNode(ctx context.Context, name string) (time.Duration, error) {
	node, err := a.nodes.Get(name)
	if err != nil {
		return 0, nil
	}
	if err := a.listen.ensure(a.nodeIP(nodeIndex(node)), a.port); err != nil {
		return 0, err
	}
	want := node.DeepCopy()
	want.Status = a.nodeStatus(node)
	if ready := condition(node, corev1.NodeReady); ready != nil && ready.Status == corev1.ConditionTrue &&
		node.Status.DaemonEndpoints == want.Status.DaemonEndpoints && node.Status.NodeInfo == want.Status.NodeInfo &&
		equality.Semantic.DeepEqual(node.Status.Addresses, want.Status.Addresses) && time.Since(ready.LastHeartbeatTime.Time) < 5*time.Minute {
		return 5 * time.Minute, nil
	}
	fresh, err := a.client.CoreV1().Nodes().UpdateStatus(ctx, want, metav1.UpdateOptions{FieldManager: "kubelet"})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return 5 * time.Minute, a.renewLease(ctx, fresh)
}

func condition(n *corev1.Node, t corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == t {
			return &n.Status.Conditions[i]
		}
	}
	return nil
}

func (a *agent) nodeStatus(n *corev1.Node) corev1.NodeStatus {
	index := nodeIndex(n)
	annotated := func(key, otherwise string) resource.Quantity {
		if q, err := resource.ParseQuantity(n.Annotations[domain+key]); err == nil {
			return q
		}
		return resource.MustParse(otherwise)
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: annotated("cpu", "8"), corev1.ResourceMemory: annotated("memory", "32Gi"),
		corev1.ResourcePods: annotated("pods", "110"), corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
		"hugepages-2Mi": resource.MustParse("0"),
	}
	allocatable := capacity.DeepCopy()
	for name, reserved := range map[corev1.ResourceName]string{corev1.ResourceCPU: "110m", corev1.ResourceMemory: "1700Mi", corev1.ResourceEphemeralStorage: "10Gi"} {
		q := allocatable[name]
		q.Sub(resource.MustParse(reserved))
		allocatable[name] = q
	}
	// The last node of prod lags one patch behind, as during an upgrade.
	version := a.kubeVersion
	if a.cluster == "prod" && index == 2 {
		if i := strings.LastIndexByte(version, '.'); i > 0 {
			if patch, err := strconv.Atoi(version[i+1:]); err == nil && patch > 0 {
				version = version[:i+1] + strconv.Itoa(patch-1)
			}
		}
	}
	id := fmt.Sprintf("%016x%016x", hash(a.cluster+n.Name), hash(n.Name))
	st := corev1.NodeStatus{
		Capacity: capacity, Allocatable: allocatable,
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: a.nodeIP(index)},
			{Type: corev1.NodeHostName, Address: n.Name},
		},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(a.port)}},
		NodeInfo: corev1.NodeSystemInfo{
			MachineID: id, SystemUUID: fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:]), BootID: id,
			KernelVersion: "6.8.0-1029-aws", OSImage: "Ubuntu 24.04.2 LTS", ContainerRuntimeVersion: "containerd://2.1.4",
			KubeletVersion: version, OperatingSystem: "linux", Architecture: "amd64",
		},
		Images: []corev1.ContainerImage{
			{Names: []string{"registry.shop.example/shop/web:2.14.1"}, SizeBytes: 48213377},
			{Names: []string{"registry.shop.example/platform/node-exporter:1.9.1"}, SizeBytes: 12961408},
		},
	}
	now := metav1.Now()
	for _, c := range []struct {
		t               corev1.NodeConditionType
		s               corev1.ConditionStatus
		reason, message string
	}{
		{corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"},
		{corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
		{corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
		{corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"},
	} {
		since := now
		if old := condition(n, c.t); old != nil && old.Status == c.s {
			since = old.LastTransitionTime
		}
		st.Conditions = append(st.Conditions, corev1.NodeCondition{Type: c.t, Status: c.s, Reason: c.reason, Message: c.message, LastHeartbeatTime: now, LastTransitionTime: since})
	}
	return st
}

func (a *agent) heartbeats(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		nodes, err := a.nodes.List(labels.Everything())
		for _, n := range nodes {
			if !ours(n) {
				continue
			}
			if err = a.renewLease(ctx, n); err != nil && ctx.Err() == nil {
				log.Printf("lease of %s: %v", n.Name, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *agent) renewLease(ctx context.Context, n *corev1.Node) error {
	leases := a.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	l, err := leases.Get(ctx, n.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: n.Name, UID: n.UID}}},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To(n.Name), LeaseDurationSeconds: ptr.To(int32(40)), RenewTime: ptr.To(metav1.NowMicro())},
		}, metav1.CreateOptions{FieldManager: "kubelet"})
		return err
	}
	if err != nil {
		return err
	}
	l.Spec.RenewTime = ptr.To(metav1.NowMicro())
	_, err = leases.Update(ctx, l, metav1.UpdateOptions{FieldManager: "kubelet"})
	return err
}
