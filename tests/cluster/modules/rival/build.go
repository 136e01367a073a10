package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	registry "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// spec is what of an ImageBuild small sites use.
type spec struct {
	Base struct {
		Image     string   `json:"image"`
		Platforms []string `json:"platforms"`
	} `json:"base"`
	Content []struct {
		ConfigMap struct {
			Name string `json:"name"`
		} `json:"configMap"`
		Path string `json:"path"`
	} `json:"content"`
	Output struct {
		Image string `json:"image"`
	} `json:"output"`
}

func readSpec(fields any) (spec, error) {
	var read spec
	text, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	return read, err
}

// registries is what one process learns once: how each is reached, and the bases that were read.
type registries struct {
	mutex sync.Mutex
	ways  map[string]http.RoundTripper
	bases map[string]registry.Image
}

// way asks a registry once how it wants to be asked, and not for each image.
func (r *registries) way(ctx context.Context, to name.Registry) (remote.Option, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if known, ok := r.ways[to.String()]; ok {
		return remote.WithTransport(known), nil
	}
	way, err := transport.NewWithContext(ctx, to, authn.Anonymous, remote.DefaultTransport, nil)
	if err != nil {
		return nil, err
	}
	r.ways[to.String()] = way
	return remote.WithTransport(way), nil
}

func (r *registries) base(ctx context.Context, image, platform string) (registry.Image, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if known, ok := r.bases[image+" "+platform]; ok {
		return known, nil
	}
	reference, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return nil, err
	}
	wanted, err := registry.ParsePlatform(platform)
	if err != nil {
		return nil, err
	}
	base, err := remote.Image(reference, remote.WithPlatform(*wanted))
	if err == nil {
		r.bases[image+" "+platform] = base
	}
	return base, err
}

// layerOf packs the files below a directory, which is made with all above it.
func layerOf(files map[string]string, directory string) (registry.Layer, error) {
	var text bytes.Buffer
	packed := tar.NewWriter(&text)
	above := ""
	for _, part := range strings.Split(strings.Trim(directory, "/"), "/") {
		above = path.Join(above, part)
		if err := packed.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: above + "/", Mode: 0755}); err != nil {
			return nil, err
		}
	}
	names := make([]string, 0, len(files))
	for file := range files {
		names = append(names, file)
	}
	sort.Strings(names)
	for _, file := range names {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: path.Join(above, file), Mode: 0644, Size: int64(len(files[file]))}
		if err := packed.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(packed, files[file]); err != nil {
			return nil, err
		}
	}
	if err := packed.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithCompressedCaching)
}

// build pushes the image of these files on its base and answers its digest.
func (r *reconciler) build(ctx context.Context, namespace string, wanted spec) (string, error) {
	content := &core.ConfigMap{}
	key := types.NamespacedName{Namespace: namespace, Name: wanted.Content[0].ConfigMap.Name}
	if err := r.Get(ctx, key, content); err != nil {
		return "", err
	}
	base, err := r.registries.base(ctx, wanted.Base.Image, wanted.Base.Platforms[0])
	if err != nil {
		return "", err
	}
	layer, err := layerOf(content.Data, wanted.Content[0].Path)
	if err != nil {
		return "", err
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return "", err
	}
	output, err := name.ParseReference(wanted.Output.Image, name.Insecure)
	if err != nil {
		return "", err
	}
	way, err := r.registries.way(ctx, output.Context().Registry)
	if err != nil {
		return "", err
	}
	if err := remote.Write(output, image, remote.WithContext(ctx), way); err != nil {
		return "", err
	}
	digest, err := image.Digest()
	return digest.String(), err
}

func pushed(image, digest string, generation int64) map[string]any {
	now := time.Now().UTC().Format(time.RFC3339)
	return map[string]any{"observedGeneration": generation, "digest": digest, "image": image + "@" + digest,
		"conditions": []any{condition("Ready", "True", "Succeeded", fmt.Sprintf("pushed %s", digest), generation, now)}}
}
