package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// eventRecorder writes events in the form kubelets use: one object per message, with a count.
type eventRecorder struct {
	client kubernetes.Interface
	queue  chan *corev1.Event
	mu     sync.Mutex
	known  map[string]*corev1.Event
}

func newEventRecorder(client kubernetes.Interface) *eventRecorder {
	return &eventRecorder{client: client, queue: make(chan *corev1.Event, 4096), known: map[string]*corev1.Event{}}
}

func (r *eventRecorder) record(p *corev1.Pod, container, kind, reason, message string, count int32) {
	now := metav1.Now()
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: fmt.Sprintf("%s.%016x", p.Name, hash(string(p.UID)+container+reason+message))},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID,
			ResourceVersion: p.ResourceVersion, FieldPath: "spec.containers{" + container + "}"},
		Type: kind, Reason: reason, Message: message, FirstTimestamp: now, LastTimestamp: now, Count: count,
		Source: corev1.EventSource{Component: "kubelet", Host: p.Spec.NodeName}, ReportingController: "kubelet", ReportingInstance: p.Spec.NodeName,
	}
	select {
	case r.queue <- e:
	default: // events are a courtesy: drop them rather than hold up pods
	}
}

func (r *eventRecorder) run(ctx context.Context) {
	for range 4 {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case e := <-r.queue:
					if err := r.write(ctx, e); err != nil && ctx.Err() == nil {
						log.Printf("event %s/%s: %v", e.Namespace, e.Name, err)
					}
				}
			}
		}()
	}
	// Forget what is older than the events themselves.
	for tick := time.NewTicker(time.Hour); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			r.mu.Lock()
			for k, e := range r.known {
				if time.Since(e.LastTimestamp.Time) > 24*time.Hour {
					delete(r.known, k)
				}
			}
			r.mu.Unlock()
		}
	}
}

func (r *eventRecorder) write(ctx context.Context, e *corev1.Event) error {
	key := e.Namespace + "/" + e.Name
	events := r.client.CoreV1().Events(e.Namespace)
	r.mu.Lock()
	old := r.known[key]
	r.mu.Unlock()
	if old == nil {
		if found, err := events.Get(ctx, e.Name, metav1.GetOptions{}); err == nil {
			old = found
		}
	}
	var err error
	if old == nil {
		e, err = events.Create(ctx, e, metav1.CreateOptions{})
	} else {
		next := old.DeepCopy()
		next.Count = max(e.Count, old.Count+1)
		next.LastTimestamp = e.LastTimestamp
		next.ResourceVersion = ""
		e, err = events.Update(ctx, next, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.known[key] = e
	r.mu.Unlock()
	return nil
}
