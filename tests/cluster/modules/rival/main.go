// The controller of the comparisons in tests/bench/controller.py and small_sites.py, as one makes it with
// controller-runtime and go-containerregistry. Of a suspended ImageBuild it does what kiln-controller does: one look
// into the cache, and one merge patch of the status, unless it says so already. Others, of one ConfigMap on a base, it
// builds, pushes and tells with an Event; what it leaves out is all else that Kiln does, so it has less to do.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	registry "github.com/google/go-containerregistry/pkg/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const message = "suspended: nothing is built until spec.suspend is false"

var kind = schema.GroupVersionKind{Group: "kiln.build", Version: "v1alpha1", Kind: "ImageBuild"}

// say writes a line as kiln-controller's log has it, so that one program reads both.
func say(what string) {
	fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), what)
}

func condition(name, status, reason, message string, generation int64, now string) map[string]any {
	return map[string]any{"type": name, "status": status, "reason": reason, "message": message,
		"observedGeneration": generation, "lastTransitionTime": now}
}

type reconciler struct {
	client.Client
	events     events.EventRecorder
	registries registries
	tell       bool
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if r.tell {
		say("debug reconcile begins object=" + request.String())
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	if err := r.Get(ctx, request.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	generation := object.GetGeneration()
	if seen, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration"); seen == generation {
		return ctrl.Result{}, nil
	}
	before := object.DeepCopy()
	if suspend, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend"); suspend {
		object.Object["status"] = suspended(generation)
		return ctrl.Result{}, r.Status().Patch(ctx, object, client.MergeFrom(before))
	}
	wanted, err := readSpec(object.Object["spec"])
	if err != nil {
		return ctrl.Result{}, err
	}
	digest, err := r.build(ctx, request.Namespace, wanted)
	if err != nil {
		return ctrl.Result{}, err
	}
	object.Object["status"] = pushed(wanted.Output.Image, digest, generation)
	if err := r.Status().Patch(ctx, object, client.MergeFrom(before)); err != nil {
		return ctrl.Result{}, err
	}
	r.events.Eventf(object, nil, "Normal", "Succeeded", "Building", "pushed %s", digest)
	say("info image pushed imageBuild=" + request.String())
	return ctrl.Result{}, nil
}

func suspended(generation int64) map[string]any {
	now := time.Now().UTC().Format(time.RFC3339)
	return map[string]any{"observedGeneration": generation, "conditions": []any{
		condition("Ready", "False", "Suspended", message, generation, now),
		condition("Stalled", "True", "Suspended", message, generation, now)}}
}

func watched(namespace string) cache.Options {
	options := cache.Options{DefaultTransform: cache.TransformStripManagedFields()}
	if namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	return options
}

func run() error {
	concurrent := flag.Int("concurrent", 16, "how many reconciles may run at a time")
	metrics := flag.String("metrics-addr", "127.0.0.1:0", "where metrics are served")
	namespace := flag.String("watch-namespaces", "", "the one to watch; all without it")
	tell := flag.Bool("tell", false, "write down when each reconcile begins")
	flag.Parse()
	log.SetLogger(zap.New())
	config := ctrl.GetConfigOrDie()
	config.QPS, config.Burst = -1, -1 // The API server is the limit.
	say("info rival starts")
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Metrics: server.Options{BindAddress: *metrics},
		Cache:   watched(*namespace),
		Client: client.Options{Cache: &client.CacheOptions{
			Unstructured: true, DisableFor: []client.Object{&core.ConfigMap{}}}},
	})
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	err = ctrl.NewControllerManagedBy(manager).
		For(object, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// Of the ConfigMaps of sites, which have their names, only metadata is kept.
		WatchesMetadata(&core.ConfigMap{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(
			predicate.NewPredicateFuncs(func(client.Object) bool { return *namespace != "" }))).
		WithOptions(controller.Options{MaxConcurrentReconciles: *concurrent}).
		Complete(&reconciler{Client: manager.GetClient(), events: manager.GetEventRecorder("rival"),
			registries: registries{ways: map[string]http.RoundTripper{}, bases: map[string]registry.Image{}}, tell: *tell})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	go func() {
		if _, err := manager.GetCache().GetInformer(ctx, object); err == nil && manager.GetCache().WaitForCacheSync(ctx) {
			say("info everything has been read for the first time")
		}
	}()
	return manager.Start(ctx)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
