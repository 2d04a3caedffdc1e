// Package kube holds the manifests of deploy/ to Kubernetes's own types. It is a module of
// its own, so that mil's go.sum stays small.
package kube

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// parts are the documents of a manifest.
func parts(t *testing.T, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(data, []byte("\n---\n"))
}

// strict reads a document as a type that knows all of its fields.
func strict(t *testing.T, data []byte, to any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(data, to); err != nil {
		t.Fatal(err)
	}
}

var mil = flag.String("mil", "../../mil", "a built mil")

// takes says whether mil knows a command line's flags and their values.
func takes(t *testing.T, args []string) {
	t.Helper()
	if out, err := exec.Command(*mil, append(slices.Clone(args), "--help")...).CombinedOutput(); err != nil {
		t.Errorf("mil %q: %v: %s", args, err, out)
	}
}

// mounts says whether the volumes that a pod's container mounts are there.
func mounts(t *testing.T, p *core.PodSpec) {
	t.Helper()
	for _, m := range p.Containers[0].VolumeMounts {
		if !slices.ContainsFunc(p.Volumes, func(v core.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	if len(p.Containers[0].VolumeMounts) != len(p.Volumes) {
		t.Errorf("%d volumes, %d are mounted", len(p.Volumes), len(p.Containers[0].VolumeMounts))
	}
}

func TestJob(t *testing.T) {
	docs := parts(t, "job.yaml")
	var j batch.Job
	strict(t, docs[0], &j)
	pod := &j.Spec.Template.Spec
	c := pod.Containers[0]
	switch {
	case len(docs) != 1 || j.Kind != "Job" || j.APIVersion != batch.SchemeGroupVersion.String():
		t.Errorf("%d documents, the first is %s %s", len(docs), j.APIVersion, j.Kind)
	case j.Spec.CompletionMode == nil || *j.Spec.CompletionMode != batch.IndexedCompletion:
		t.Error("the job is not indexed")
	case pod.RestartPolicy != core.RestartPolicyNever: // a policy of failures demands it
		t.Errorf("restartPolicy is %s", pod.RestartPolicy)
	case j.Spec.BackoffLimitPerIndex == nil: // FailIndex demands it
		t.Error("there is no backoffLimitPerIndex")
	}
	if !slices.Contains(c.Args, "--shards="+itoa(*j.Spec.Completions)) {
		t.Errorf("%d completions, and %q", *j.Spec.Completions, c.Args)
	}
	again := false
	for _, r := range j.Spec.PodFailurePolicy.Rules {
		if e := r.OnExitCodes; e != nil {
			if *e.ContainerName != c.Name || !slices.IsSorted(e.Values) || len(e.Values) == 0 {
				t.Errorf("%+v", e)
			}
			again = again || r.Action == batch.PodFailurePolicyActionIgnore && slices.Contains(e.Values, 75)
		}
	}
	if !again {
		t.Error("no rule lets a pod that SIGTERM ended go on")
	}
	mounts(t, pod)
	takes(t, c.Args)
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }

func TestServe(t *testing.T) {
	docs := parts(t, "serve.yaml")
	if len(docs) != 2 {
		t.Fatalf("%d documents", len(docs))
	}
	var d apps.Deployment
	var s core.Service
	strict(t, docs[0], &d)
	strict(t, docs[1], &s)
	pod := &d.Spec.Template.Spec
	c := pod.Containers[0]
	if d.Kind != "Deployment" || d.APIVersion != apps.SchemeGroupVersion.String() || s.Kind != "Service" || s.APIVersion != core.SchemeGroupVersion.String() {
		t.Errorf("%s %s, %s %s", d.APIVersion, d.Kind, s.APIVersion, s.Kind)
	}
	labels := d.Spec.Template.Labels
	for name, v := range d.Spec.Selector.MatchLabels {
		if labels[name] != v {
			t.Errorf("the pod's label %s is %q, not %q", name, labels[name], v)
		}
	}
	for name, v := range s.Spec.Selector {
		if labels[name] != v {
			t.Errorf("the service looks for %s=%s", name, v)
		}
	}
	port := c.Ports[0].Name
	if s.Spec.Ports[0].TargetPort.StrVal != port {
		t.Errorf("the service leads to %s", s.Spec.Ports[0].TargetPort.StrVal)
	}
	for _, p := range []*core.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != "/health" || p.HTTPGet.Port.StrVal != port {
			t.Errorf("probe %+v", p)
		}
	}
	mounts(t, pod)
	takes(t, c.Args)
}
