// The controllers of kube-controller-manager that the sandbox and its tests need: the whole takes minutes more to build.
// Its flags and the controllers' settings are kube-controller-manager's, so that an installed one can take its place:
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/apiserver/pkg/server/options"
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
	controllers = "namespace-controller,serviceaccount-controller,garbage-collector-controller," +
		"deployment-controller,replicaset-controller,validatingadmissionpolicy-status-controller"
	resync         = 12 * time.Hour
	discoverAgain  = 30 * time.Second
	namespaceSync  = 5 * time.Minute
	namespaceSyncs = 10
	garbageSyncs   = 20
	workloadSyncs  = 5
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-ctx.Done()
}

func start(ctx context.Context, arguments []string) error {
	serving := options.NewSecureServingOptions()
	serving.ServerCert.PairName = "kube-controller-manager"
	flags := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	serving.AddFlags(flags)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	wanted := flags.String("controllers", controllers, "the only value: "+controllers)
	elect := flags.Bool("leader-elect", false, "the only value: false")
	qps := flags.Float32("kube-api-qps", 20, "requests a second to the API server")
	burst := flags.Int("kube-api-burst", 30, "requests at once to the API server")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *wanted != controllers || *elect {
		return fmt.Errorf("built in: --controllers=%s, --leader-elect=false; not: %s", controllers, strings.Join(arguments, " "))
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = *qps, *burst
	// Some of the APIs that the garbage collector watches are deprecated. kube-controller-manager hides warnings, too.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := run(ctx, config); err != nil {
		return err
	}
	return serve(ctx, serving)
}

// serve answers /healthz, as soon as the controllers run.
func serve(ctx context.Context, serving *options.SecureServingOptions) error {
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, nil); err != nil {
		return err
	}
	var info *server.SecureServingInfo
	if err := serving.ApplyTo(&info); err != nil {
		return err
	}
	handler := http.NewServeMux()
	healthz.InstallHandler(handler)
	_, _, err := info.Serve(handler, 0, ctx.Done())
	return err
}

// run starts the controllers as core.go, apps.go and validatingadmissionpolicystatus.go in cmd/kube-controller-manager/app do.
func run(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	// Two requests for each object that is deleted.
	garbageObjects, err := metadata.NewForConfig(faster(config, 2, 1))
	if err != nil {
		return err
	}
	namespaceClient, err := kubernetes.NewForConfig(faster(config, 20, 100))
	if err != nil {
		return err
	}
	namespaceObjects, err := metadata.NewForConfig(faster(config, 20, 100))
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	go wait.Until(mapper.Reset, discoverAgain, ctx.Done())
	shared := informers.NewSharedInformerFactory(client, resync)
	all := informerfactory.NewInformerFactory(shared, metadatainformer.NewSharedInformerFactory(garbageObjects, resync))
	started := make(chan struct{})

	graph := garbagecollector.NewDependencyGraphBuilder(
		ctx, garbageObjects, mapper, garbagecollector.DefaultIgnoredResources(), all, started,
	)
	garbage, err := garbagecollector.NewComposedGarbageCollector(ctx, client, garbageObjects, mapper, graph)
	if err != nil {
		return err
	}
	namespaces := namespace.NewNamespaceController(
		ctx, namespaceClient, namespaceObjects, namespaceClient.Discovery().ServerPreferredNamespacedResources,
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

func faster(config *rest.Config, rate float32, burst int) *rest.Config {
	own := rest.CopyConfig(config)
	own.QPS *= rate
	own.Burst *= burst
	return own
}
