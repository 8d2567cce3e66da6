// Command agent stands in for the kubelets of one test cluster. It registers the nodes,
// keeps their leases, moves bound pods through their life as annotations direct, and
// serves logs, exec, attach and port-forward to the API server.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

type agent struct {
	cluster     string
	kubeVersion string
	port        int
	rootDir     string
	hostExec    bool

	client  kubernetes.Interface
	dynamic dynamic.Interface
	pods    corelisters.PodLister
	nodes   corelisters.NodeLister
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister

	podQueue workqueue.TypedRateLimitingInterface[string]
	listen   *listeners
	memory   *podMemory
	events   *eventRecorder
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "sandbox" {
		sandboxMain(os.Args[2:])
		return
	}
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	a := &agent{memory: newPodMemory()}
	var kubeconfig string
	var tlsFiles tlsFiles
	var metricsPort int
	flag.StringVar(&a.cluster, "cluster", "prod", "prod or staging: which nodes to simulate")
	flag.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the agent")
	flag.StringVar(&a.kubeVersion, "kube-version", "v1.36.0", "version that the nodes report")
	flag.IntVar(&a.port, "port", 10250, "port of the kubelet API, on every node's loopback address")
	flag.StringVar(&tlsFiles.cert, "tls-cert", "", "serving certificate")
	flag.StringVar(&tlsFiles.key, "tls-key", "", "serving key")
	flag.StringVar(&tlsFiles.clientCA, "client-ca", "", "CA of the clients allowed at the kubelet API")
	flag.StringVar(&tlsFiles.frontProxyCA, "front-proxy-ca", "", "CA of the clients allowed at the metrics API")
	flag.IntVar(&metricsPort, "metrics-port", 0, "serve metrics.k8s.io on this port; 0: no metrics API")
	flag.StringVar(&a.rootDir, "root-dir", "", "where the file systems of the simulated containers live")
	flag.BoolVar(&a.hostExec, "exec-on-host", os.Getenv("KUBE_MCP_TEST_CLUSTER_EXEC") == "host", "run exec commands without a sandbox, as the agent's own user")
	flag.Parse()

	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	cfg.QPS = -1
	cfg.UserAgent = "kubelet/" + a.kubeVersion + " (linux/amd64)"
	plain := rest.CopyConfig(cfg)
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	cfg.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	a.client = kubernetes.NewForConfigOrDie(cfg)
	a.dynamic = dynamic.NewForConfigOrDie(plain)
	a.events = newEventRecorder(a.client)

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if a.listen, err = newListeners(a, tlsFiles); err != nil {
		log.Fatal(err)
	}

	factory := informers.NewSharedInformerFactory(a.client, 0)
	core := factory.Core().V1()
	a.pods, a.nodes = core.Pods().Lister(), core.Nodes().Lister()
	a.claims, a.volumes = core.PersistentVolumeClaims().Lister(), core.PersistentVolumes().Lister()
	a.podQueue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](20*time.Millisecond, 10*time.Second))
	nodeQueue := newQueue()
	claimQueue := newQueue()
	volumeQueue := newQueue()
	feed(core.Pods().Informer(), a.podQueue, nil)
	feed(core.Nodes().Informer(), nodeQueue, func(o any) bool { return ours(o.(*corev1.Node)) })
	feed(core.PersistentVolumeClaims().Informer(), claimQueue, nil)
	feed(core.PersistentVolumes().Informer(), volumeQueue, nil)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	a.memory.adopt(a.pods)

	if err := a.registerNodes(ctx); err != nil {
		log.Fatal(err)
	}
	run(ctx, nodeQueue, 2, a.syncNode)
	run(ctx, claimQueue, 2, a.syncClaim)
	run(ctx, volumeQueue, 1, a.syncVolume)
	run(ctx, a.podQueue, 24, a.syncPod)
	go a.heartbeats(ctx)
	go a.events.run(ctx)
	if metricsPort != 0 {
		if err := a.serveMetrics(ctx, metricsPort, tlsFiles); err != nil {
			log.Fatal(err)
		}
	}
	log.Printf("agent of %s up, kubelet port %d", a.cluster, a.port)
	<-ctx.Done()
}

func newQueue() workqueue.TypedRateLimitingInterface[string] {
	return workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
}

// feed puts the key of every changed object into a queue.
func feed(informer cache.SharedIndexInformer, queue workqueue.TypedRateLimitingInterface[string], want func(any) bool) {
	add := func(o any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(o); err == nil {
			queue.Add(key)
		}
	}
	wanted := func(o any) {
		if want == nil || want(o) {
			add(o)
		}
	}
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: wanted, UpdateFunc: func(_, o any) { wanted(o) }, DeleteFunc: add})
}

// run starts workers; a sync may ask to be called again after a while.
func run(ctx context.Context, queue workqueue.TypedRateLimitingInterface[string], workers int, sync func(context.Context, string) (time.Duration, error)) {
	go func() { <-ctx.Done(); queue.ShutDown() }()
	for range workers {
		go func() {
			for {
				key, stop := queue.Get()
				if stop {
					return
				}
				again, err := sync(ctx, key)
				switch {
				case err != nil:
					if queue.NumRequeues(key) > 3 && ctx.Err() == nil {
						log.Printf("%s: %v", key, err)
					}
					queue.AddRateLimited(key)
				default:
					queue.Forget(key)
					if again > 0 {
						queue.AddAfter(key, again)
					}
				}
				queue.Done(key)
			}
		}()
	}
}
