// The controllers of kube-controller-manager that the sandbox and its tests need: the whole takes minutes more to build.
// Arguments: the kubeconfig, and the address where it answers that they run.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/validatingadmissionpolicystatus"
)

const (
	resync         = 12 * time.Hour
	discoverAgain  = 30 * time.Second
	namespaceSync  = 5 * time.Minute
	namespaceSyncs = 10
	garbageSyncs   = 20
	workloadSyncs  = 5
	// At the default rate, a destroy of many service accounts waits for the garbage collector.
	noLimit = -1
)

func main() {
	if err := start(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func start(ctx context.Context, kubeconfig string, address string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = noLimit
	// Some of the APIs that the garbage collector watches are deprecated. kube-controller-manager hides warnings, too.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := run(ctx, config); err != nil {
		return err
	}
	answers := func(http.ResponseWriter, *http.Request) {}
	return http.ListenAndServe(address, http.HandlerFunc(answers))
}

// run starts the controllers as core.go, apps.go and validatingadmissionpolicystatus.go in cmd/kube-controller-manager/app do.
func run(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	go wait.Until(mapper.Reset, discoverAgain, ctx.Done())
	shared := informers.NewSharedInformerFactory(client, resync)
	all := informerfactory.NewInformerFactory(shared, metadatainformer.NewSharedInformerFactory(objects, resync))
	started := make(chan struct{})

	graph := garbagecollector.NewDependencyGraphBuilder(
		ctx, objects, mapper, garbagecollector.DefaultIgnoredResources(), all, started,
	)
	garbage, err := garbagecollector.NewComposedGarbageCollector(ctx, client, objects, mapper, graph)
	if err != nil {
		return err
	}
	namespaces := namespace.NewNamespaceController(
		ctx, client, objects, client.Discovery().ServerPreferredNamespacedResources,
		shared.Core().V1().Namespaces(), namespaceSync, corev1.FinalizerKubernetes,
	)
	serviceAccounts, err := serviceaccount.NewServiceAccountsController(
		klog.FromContext(ctx), shared.Core().V1().ServiceAccounts(), shared.Core().V1().Namespaces(), client,
		serviceaccount.DefaultServiceAccountsControllerOptions(),
	)
	if err != nil {
		return err
	}
	apps, pods := shared.Apps().V1(), shared.Core().V1().Pods()
	replicaSets := replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), pods, client, replicaset.BurstReplicas)
	deployments, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), pods, client)
	if err != nil {
		return err
	}
	types := &validating.TypeChecker{
		// The API server's own description of its types: what kube-controller-manager has built in takes long to compile.
		SchemaResolver: &resolver.ClientDiscoveryResolver{Discovery: client.Discovery()},
		RestMapper:     mapper,
	}
	policies, err := validatingadmissionpolicystatus.NewController(
		shared.Admissionregistration().V1().ValidatingAdmissionPolicies(),
		client.AdmissionregistrationV1().ValidatingAdmissionPolicies(), types,
	)
	if err != nil {
		return err
	}

	all.Start(ctx.Done())
	close(started)
	go namespaces.Run(ctx, namespaceSyncs)
	go serviceAccounts.Run(ctx, 1)
	go garbage.Run(ctx, garbageSyncs, discoverAgain)
	go garbage.Sync(ctx, client.Discovery(), discoverAgain)
	go replicaSets.Run(ctx, workloadSyncs)
	go deployments.Run(ctx, workloadSyncs)
	go policies.Run(ctx, workloadSyncs)
	return nil
}
