// The controller of tests/bench/controller.py's comparison: what it does with controller-runtime's own
// means is what kiln-controller does with a suspended ImageBuild. One look into the cache, and one
// merge patch of the status, unless it says so already.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
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

func condition(name, status string, generation int64, now string) map[string]any {
	return map[string]any{"type": name, "status": status, "reason": "Suspended", "message": message,
		"observedGeneration": generation, "lastTransitionTime": now}
}

type reconciler struct {
	client.Client
	tell bool
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
	now := time.Now().UTC().Format(time.RFC3339)
	object.Object["status"] = map[string]any{"observedGeneration": generation, "conditions": []any{
		condition("Ready", "False", generation, now), condition("Stalled", "True", generation, now)}}
	return ctrl.Result{}, r.Status().Patch(ctx, object, client.MergeFrom(before))
}

func run() error {
	concurrent := flag.Int("concurrent", 16, "how many reconciles may run at a time")
	metrics := flag.String("metrics-addr", "127.0.0.1:0", "where metrics are served")
	tell := flag.Bool("tell", false, "write down when each reconcile begins")
	flag.Parse()
	log.SetLogger(zap.New())
	config := ctrl.GetConfigOrDie()
	config.QPS, config.Burst = -1, -1 // The API server is the limit.
	say("info rival starts")
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Metrics: server.Options{BindAddress: *metrics},
		Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Client:  client.Options{Cache: &client.CacheOptions{Unstructured: true}},
	})
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	err = ctrl.NewControllerManagedBy(manager).
		For(object, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: *concurrent}).
		Complete(&reconciler{manager.GetClient(), *tell})
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
