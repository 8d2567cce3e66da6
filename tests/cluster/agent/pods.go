package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// What annotations of this domain direct; they may be set on a pod template or later on a pod.
const (
	annotationBehaviour  = domain + "behaviour"       // crash-loop, image-pull-failure, not-ready, fail
	annotationContainer  = domain + "container"       // which container behaves so; default the first
	annotationExitCode   = domain + "exit-code"       // of crash-loop and fail; default 1
	annotationExitReason = domain + "exit-reason"     // default Error
	annotationRestarts   = domain + "restarts"        // count at which a crash loop begins; default 6
	annotationRunFor     = domain + "run-for"         // how long the pod of a Job runs; default 2s
	annotationTerminate  = domain + "terminate-after" // how long a deleted pod stays Terminating; default 0
	annotationQuiet      = domain + "quiet"           // "true": no events

	crashLoop        = "crash-loop"
	imagePullFailure = "image-pull-failure"
	notReady         = "not-ready"
	failing          = "fail"

	crashPeriod = 5 * time.Minute // the longest back-off of a kubelet
)

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// podMemory keeps what the agent knows beyond the API: addresses in use and what was applied last.
type podMemory struct {
	mu      sync.Mutex
	used    map[string]map[int]types.UID // node -> address number -> pod
	applied map[types.UID]string
	keys    map[string]types.UID
	nodeOf  map[types.UID]string
}

func newPodMemory() *podMemory {
	return &podMemory{used: map[string]map[int]types.UID{}, applied: map[types.UID]string{}, keys: map[string]types.UID{}, nodeOf: map[types.UID]string{}}
}

// adopt marks the addresses of the pods that ran before this agent started.
func (m *podMemory) adopt(pods corelisters.PodLister) {
	list, _ := pods.List(labels.Everything())
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range list {
		var a, b, c, d int
		if p.Spec.NodeName == "" || p.Spec.HostNetwork || p.Status.PodIP == "" {
			continue
		}
		if _, err := fmt.Sscanf(p.Status.PodIP, "%d.%d.%d.%d", &a, &b, &c, &d); err == nil {
			m.take(p, (c%4)<<8|d)
		}
	}
}

func (m *podMemory) take(p *corev1.Pod, n int) {
	if m.used[p.Spec.NodeName] == nil {
		m.used[p.Spec.NodeName] = map[int]types.UID{}
	}
	m.used[p.Spec.NodeName][n] = p.UID
	m.nodeOf[p.UID] = p.Spec.NodeName
	m.keys[p.Namespace+"/"+p.Name] = p.UID
}

func (m *podMemory) address(p *corev1.Pod) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	used := m.used[p.Spec.NodeName]
	for n := 2; n < 1022; n++ {
		// Begin at a place of the pod's own, so that addresses look handed out over time.
		at := 2 + (int(hash(string(p.UID))%1020)+n)%1020
		if used[at] == "" {
			m.take(p, at)
			return at
		}
	}
	return 1
}

func (m *podMemory) forget(key string, uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if uid == "" {
		uid = m.keys[key]
	}
	for n, owner := range m.used[m.nodeOf[uid]] {
		if owner == uid {
			delete(m.used[m.nodeOf[uid]], n)
		}
	}
	delete(m.applied, uid)
	delete(m.nodeOf, uid)
	if m.keys[key] == uid {
		delete(m.keys, key)
	}
}

func (m *podMemory) last(uid types.UID) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.applied[uid]
	return s, ok
}

func (m *podMemory) remember(key string, uid types.UID, s string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied[uid] = s
	m.keys[key] = uid
}

// plan is what a pod's annotations ask for.
type plan struct {
	behaviour, container string
	exitCode             int32
	exitReason           string
	restarts             int32
	runFor               time.Duration // 0: until deleted
}

func planOf(p *corev1.Pod) plan {
	at := p.Annotations
	pl := plan{behaviour: at[annotationBehaviour], container: at[annotationContainer], exitCode: 1, exitReason: "Error", restarts: 6}
	if pl.container == "" {
		pl.container = p.Spec.Containers[0].Name
	}
	if n, err := strconv.Atoi(at[annotationExitCode]); err == nil {
		pl.exitCode = int32(n)
	}
	if r := at[annotationExitReason]; r != "" {
		pl.exitReason = r
	}
	if n, err := strconv.Atoi(at[annotationRestarts]); err == nil {
		pl.restarts = int32(n)
	}
	owner := metav1.GetControllerOf(p)
	if d, err := time.ParseDuration(at[annotationRunFor]); err == nil {
		pl.runFor = d
	} else if owner != nil && owner.Kind == "Job" {
		pl.runFor = 2 * time.Second
	}
	return pl
}

func (a *agent) syncPod(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, nil
	}
	pod, err := a.pods.Pods(namespace).Get(name)
	if err != nil {
		a.memory.forget(key, "")
		return 0, nil
	}
	if pod.Spec.NodeName == "" {
		return 0, nil
	}
	node, err := a.nodes.Get(pod.Spec.NodeName)
	if err != nil || !ours(node) {
		return 0, nil
	}
	if pod.DeletionTimestamp != nil {
		return a.finishDeletion(ctx, key, pod)
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		a.memory.forget(key, pod.UID)
		return 0, nil
	}
	return a.drive(ctx, key, pod, nodeIndex(node))
}

func (a *agent) finishDeletion(ctx context.Context, key string, pod *corev1.Pod) (time.Duration, error) {
	if d, err := time.ParseDuration(pod.Annotations[annotationTerminate]); err == nil {
		grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second
		began := pod.DeletionTimestamp.Add(-grace)
		if rest := time.Until(began.Add(min(d, grace))); rest > 0 {
			return rest, nil
		}
	}
	if pod.Annotations[annotationQuiet] != "true" && pod.Status.Phase == corev1.PodRunning {
		for _, c := range pod.Spec.Containers {
			a.events.record(pod, c.Name, corev1.EventTypeNormal, "Killing", "Stopping container "+c.Name, 1)
		}
	}
	err := a.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To(int64(0)), Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		err = nil
	}
	if err == nil {
		a.memory.forget(key, pod.UID)
	}
	return 0, err
}

// drive brings a pod's status to what its plan asks for now, and tells when to look again.
func (a *agent) drive(ctx context.Context, key string, pod *corev1.Pod, index int) (time.Duration, error) {
	pl := planOf(pod)
	started := pod.Status.StartTime != nil
	wish := fmt.Sprintf("%+v %d %d", pl, len(pod.Spec.EphemeralContainers), pod.Generation)
	last, known := a.memory.last(pod.UID)
	now := metav1.Now()
	stage, again := "", time.Duration(0)
	switch {
	case pl.behaviour == imagePullFailure:
		stage = "pulling"
		if started && now.Sub(pod.Status.StartTime.Time) > 2*time.Second {
			stage, again = "backing-off", crashPeriod
		} else {
			again = 3 * time.Second
		}
	case pl.behaviour == crashLoop:
		// One more restart whenever the longest back-off has passed.
		again = crashPeriod
		if t := lastFinished(pod, pl.container); !t.IsZero() {
			if rest := crashPeriod - now.Sub(t); rest > 0 {
				again = rest
				stage = "waiting"
				if last == wish+stage || !known && waitingReason(pod, pl.container) == "CrashLoopBackOff" {
					a.memory.remember(key, pod.UID, wish+stage)
					return again, nil
				}
			} else {
				last = ""
			}
			stage = "waiting"
		} else {
			stage = "waiting"
		}
	case pl.runFor > 0 && started && now.Sub(pod.Status.StartTime.Time) >= pl.runFor:
		stage = "completed"
	case pl.runFor > 0:
		again = pl.runFor
		if started {
			again = pl.runFor - now.Sub(pod.Status.StartTime.Time) + 10*time.Millisecond
		}
	}
	wish += stage
	if last == wish {
		return again, nil
	}
	if !known && pod.Status.Phase == corev1.PodRunning && stage == "" && pod.Status.ObservedGeneration == pod.Generation {
		a.memory.remember(key, pod.UID, wish) // settled before this agent started
		return again, nil
	}
	next := pod.DeepCopy()
	a.fill(next, pl, stage, index, now)
	if _, err := a.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: "kubelet"}); err != nil {
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		return 0, err
	}
	a.memory.remember(key, pod.UID, wish)
	if pod.Annotations[annotationQuiet] != "true" {
		a.tell(pod, next, pl, stage)
	}
	return again, nil
}

func statusOf(p *corev1.Pod, container string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == container {
				return &list[i]
			}
		}
	}
	return nil
}

func lastFinished(p *corev1.Pod, container string) time.Time {
	if s := statusOf(p, container); s != nil && s.LastTerminationState.Terminated != nil {
		return s.LastTerminationState.Terminated.FinishedAt.Time
	}
	return time.Time{}
}

func waitingReason(p *corev1.Pod, container string) string {
	if s := statusOf(p, container); s != nil && s.State.Waiting != nil {
		return s.State.Waiting.Reason
	}
	return ""
}

func containerID(p *corev1.Pod, container string, run int32) string {
	h := fmt.Sprintf("%s/%s/%d", p.UID, container, run)
	return fmt.Sprintf("containerd://%016x%016x%016x%016x", hash("a"+h), hash("b"+h), hash("c"+h), hash("d"+h))
}

func imageID(image string) string {
	repository := image
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		repository = image[:i]
	}
	return fmt.Sprintf("%s@sha256:%016x%016x%016x%016x", repository, hash("1"+image), hash("2"+image), hash("3"+image), hash("4"+image))
}

// fill writes the whole status of a pod as a kubelet would.
func (a *agent) fill(p *corev1.Pod, pl plan, stage string, index int, now metav1.Time) {
	st := &p.Status
	st.ObservedGeneration = p.Generation
	if st.StartTime == nil {
		st.StartTime = &now
	}
	st.HostIP = a.nodeIP(index)
	st.HostIPs = []corev1.HostIP{{IP: st.HostIP}}
	if st.PodIP == "" {
		st.PodIP = st.HostIP
		if !p.Spec.HostNetwork {
			st.PodIP = a.podIP(index, a.memory.address(p))
		}
		st.PodIPs = []corev1.PodIP{{IP: st.PodIP}}
	}
	old := p.DeepCopy()
	startedAt := func(container string) metav1.Time {
		if s := statusOf(old, container); s != nil && s.State.Running != nil {
			return s.State.Running.StartedAt
		}
		return now
	}
	st.InitContainerStatuses = nil
	for _, c := range p.Spec.InitContainers {
		s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: imageID(c.Image), ContainerID: containerID(p, c.Name, 0), Ready: true, Started: ptr.To(false)}
		if ptr.Deref(c.RestartPolicy, "") == corev1.ContainerRestartPolicyAlways {
			s.Started, s.State.Running = ptr.To(true), &corev1.ContainerStateRunning{StartedAt: startedAt(c.Name)}
		} else {
			s.State.Terminated = &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: *st.StartTime, FinishedAt: *st.StartTime, ContainerID: s.ContainerID}
		}
		st.InitContainerStatuses = append(st.InitContainerStatuses, s)
	}
	var unready []string
	st.ContainerStatuses = nil
	for _, c := range p.Spec.Containers {
		s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: imageID(c.Image), Ready: true, Started: ptr.To(true)}
		if o := statusOf(old, c.Name); o != nil {
			s.RestartCount, s.LastTerminationState = o.RestartCount, o.LastTerminationState
		}
		s.ContainerID = containerID(p, c.Name, s.RestartCount)
		concerned := c.Name == pl.container
		switch {
		case stage == "completed":
			s.Ready, s.Started = false, ptr.To(false)
			t := &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: *st.StartTime, FinishedAt: now, ContainerID: s.ContainerID}
			if pl.behaviour == failing && concerned {
				t.ExitCode, t.Reason = pl.exitCode, pl.exitReason
			}
			s.State.Terminated = t
		case pl.behaviour == imagePullFailure && concerned:
			s.Ready, s.Started, s.ImageID, s.ContainerID = false, ptr.To(false), "", ""
			w := &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: pullError(c.Image)}
			if stage == "backing-off" {
				w.Reason, w.Message = "ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", c.Image, pullError(c.Image))
			}
			s.State.Waiting = w
		case pl.behaviour == crashLoop && concerned:
			if s.RestartCount == 0 {
				s.RestartCount = max(pl.restarts, 1)
			} else if waitingReason(old, c.Name) == "CrashLoopBackOff" {
				s.RestartCount++
			}
			s.Ready, s.Started = false, ptr.To(false)
			s.ContainerID = containerID(p, c.Name, s.RestartCount)
			s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: pl.exitCode, Reason: pl.exitReason,
				StartedAt: metav1.NewTime(now.Add(-4 * time.Second)), FinishedAt: now, ContainerID: s.ContainerID}
			s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff",
				Message: fmt.Sprintf("back-off 5m0s restarting failed container=%s pod=%s_%s(%s)", c.Name, p.Name, p.Namespace, p.UID)}
		default:
			s.State.Running = &corev1.ContainerStateRunning{StartedAt: startedAt(c.Name)}
			s.Ready = !(pl.behaviour == notReady && concerned)
		}
		if !s.Ready {
			unready = append(unready, c.Name)
		}
		st.ContainerStatuses = append(st.ContainerStatuses, s)
	}
	st.EphemeralContainerStatuses = nil
	for _, c := range p.Spec.EphemeralContainers {
		st.EphemeralContainerStatuses = append(st.EphemeralContainerStatuses, corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: imageID(c.Image),
			ContainerID: containerID(p, c.Name, 0), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: startedAt(c.Name)}}})
	}
	st.Phase = corev1.PodRunning
	switch {
	case pl.behaviour == imagePullFailure && len(p.Spec.Containers) == 1:
		st.Phase = corev1.PodPending
	case stage == "completed" && pl.behaviour == failing:
		st.Phase = corev1.PodFailed
	case stage == "completed":
		st.Phase = corev1.PodSucceeded
	}
	a.fillConditions(p, stage, unready, now)
}

func (a *agent) fillConditions(p *corev1.Pod, stage string, unready []string, now metav1.Time) {
	for _, t := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		c := corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: now, ObservedGeneration: p.Generation}
		switch t {
		case corev1.PodReadyToStartContainers:
			if stage == "completed" {
				c.Status = corev1.ConditionFalse
			}
		case corev1.PodInitialized:
			if stage == "completed" {
				c.Reason = "PodCompleted"
			}
		case corev1.PodReady, corev1.ContainersReady:
			if stage == "completed" {
				c.Status, c.Reason = corev1.ConditionFalse, "PodCompleted"
				if p.Status.Phase == corev1.PodFailed {
					c.Reason = "PodFailed"
				}
			} else if len(unready) > 0 {
				c.Status, c.Reason = corev1.ConditionFalse, "ContainersNotReady"
				c.Message = fmt.Sprintf("containers with unready status: %v", unready)
			}
		}
		i := slices.IndexFunc(p.Status.Conditions, func(o corev1.PodCondition) bool { return o.Type == t })
		if i < 0 {
			p.Status.Conditions = append(p.Status.Conditions, c)
			continue
		}
		if p.Status.Conditions[i].Status == c.Status {
			c.LastTransitionTime = p.Status.Conditions[i].LastTransitionTime
		}
		p.Status.Conditions[i] = c
	}
}

func pullError(image string) string {
	return fmt.Sprintf("rpc error: code = NotFound desc = failed to pull and unpack image %q: failed to resolve reference %q: %s: not found", image, image, image)
}

// tell records the events that go with the step from old to new.
func (a *agent) tell(old, now *corev1.Pod, pl plan, stage string) {
	normal, warning := corev1.EventTypeNormal, corev1.EventTypeWarning
	if old.Status.StartTime == nil {
		for _, c := range now.Spec.Containers {
			a.events.record(now, c.Name, normal, "Pulling", fmt.Sprintf("Pulling image %q", c.Image), 1)
			if pl.behaviour == imagePullFailure && c.Name == pl.container {
				continue
			}
			ms := 300 + hash(c.Image)%2700
			a.events.record(now, c.Name, normal, "Pulled", fmt.Sprintf("Successfully pulled image %q in %d.%03ds (%d.%03ds including waiting). Image size: %d bytes.",
				c.Image, ms/1000, ms%1000, ms/1000, ms%1000, 9_000_000+hash(c.Image)%90_000_000), 1)
			a.events.record(now, c.Name, normal, "Created", "Container created", 1)
			a.events.record(now, c.Name, normal, "Started", "Container started", 1)
		}
	}
	c := pl.container
	image := ""
	for _, x := range now.Spec.Containers {
		if x.Name == c {
			image = x.Image
		}
	}
	switch pl.behaviour {
	case imagePullFailure:
		if stage == "pulling" {
			a.events.record(now, c, warning, "Failed", fmt.Sprintf("Failed to pull image %q: %s", image, pullError(image)), 4)
			a.events.record(now, c, warning, "Failed", "Error: ErrImagePull", 4)
		} else {
			a.events.record(now, c, normal, "BackOff", fmt.Sprintf("Back-off pulling image %q", image), 12)
			a.events.record(now, c, warning, "Failed", "Error: ImagePullBackOff", 12)
		}
	case crashLoop:
		if s := statusOf(now, c); s != nil {
			a.events.record(now, c, warning, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s_%s(%s)", c, now.Name, now.Namespace, now.UID), 4*s.RestartCount)
		}
	case notReady:
		if stage == "" {
			a.events.record(now, c, warning, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", 3)
		}
	}
}
