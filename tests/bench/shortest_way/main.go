// shortest_way does what nobody can leave out between an edit of a ConfigMap and a new digest in a status, and nothing
// else: a watch tells the edit with its data, a layer is made of it, layer and configuration are uploaded at the same
// time over connections that are open already, one manifest is put under the tag, one status is patched.
//
// It looks at no tag, keeps no history, recovers from nothing and stops at the first failure: it is what
// edit_to_digest.py measures Kiln against. Everything is told by flags; it says "watching" when it is ready.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
)

var (
	server     = flag.String("server", "", "URL of the API server")
	authority  = flag.String("ca", "", "file with its authority")
	cert       = flag.String("cert", "", "file with the client's certificate")
	key        = flag.String("key", "", "file with the client's key")
	namespace  = flag.String("namespace", "", "where ConfigMap and ImageBuild are")
	configMap  = flag.String("config-map", "", "name of the ConfigMap that is watched")
	imageBuild = flag.String("image-build", "", "name of the ImageBuild whose status gets the digest")
	repository = flag.String("repository", "", "HOST:PORT/PATH, by plain http")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	host, path, _ := strings.Cut(*repository, "/")
	place := &place{"http://" + host + "/v2/" + path, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
	kube := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig(), ForceAttemptHTTP2: true}}

	watch := send(kube, "GET", *server+"/api/v1/namespaces/"+*namespace+"/configmaps?watch=1&fieldSelector=metadata.name="+
		*configMap, "", nil)
	defer watch.Body.Close()
	lines := bufio.NewReaderSize(watch.Body, 1<<20)
	fmt.Println("watching")
	for first := true; ; first = false {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			log.Fatal("the watch ended: ", err)
		}
		var event struct {
			Object struct{ Data map[string]string }
		}
		if err := json.Unmarshal(line, &event); err != nil {
			log.Fatal(err)
		}
		digest := place.build(event.Object.Data)
		if first {
			continue // As it was: this opened the connections.
		}
		done(send(kube, "PATCH", *server+"/apis/kiln.build/v1alpha1/namespaces/"+*namespace+"/imagebuilds/"+*imageBuild+
			"/status", "application/merge-patch+json", []byte(`{"status":{"digest":"`+digest+`"}}`)))
	}
}

func tlsConfig() *tls.Config {
	pem, err := os.ReadFile(*authority)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

// place is a repository.
type place struct {
	url  string
	http *http.Client
}

// build pushes an image of one layer; it answers its digest.
func (p *place) build(files map[string]string) string {
	plain := archive(files)
	layer := compressed(plain)
	config := []byte(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["` +
		digestOf(plain) + `"]}}`)
	var both sync.WaitGroup
	for _, blob := range [][]byte{layer, config} {
		both.Add(1)
		go func() {
			defer both.Done()
			p.upload(blob)
		}()
	}
	both.Wait()
	manifest := []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[{"mediaType":`+
		`"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":%d}]}`,
		digestOf(config), len(config), digestOf(layer), len(layer)))
	done(send(p.http, "PUT", p.url+"/manifests/latest", "application/vnd.oci.image.manifest.v1+json", manifest))
	return digestOf(manifest)
}

func (p *place) upload(blob []byte) {
	begun := done(send(p.http, "POST", p.url+"/blobs/uploads/", "", []byte{}))
	location, err := begun.Location()
	if err != nil {
		log.Fatal(err)
	}
	query := location.Query()
	query.Set("digest", digestOf(blob))
	location.RawQuery = query.Encode()
	done(send(p.http, "PUT", location.String(), "application/octet-stream", blob))
}

func archive(files map[string]string) []byte {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	var bytes bytes.Buffer
	writer := tar.NewWriter(&bytes)
	for _, name := range names {
		header := tar.Header{Name: "usr/share/nginx/html/" + name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := writer.WriteHeader(&header); err != nil {
			log.Fatal(err)
		}
		io.WriteString(writer, files[name])
	}
	writer.Close()
	return bytes.Bytes()
}

func compressed(plain []byte) []byte {
	var bytes bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&bytes, gzip.BestSpeed)
	writer.Write(plain)
	writer.Close()
	return bytes.Bytes()
}

func digestOf(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func send(client *http.Client, method, url, kind string, body []byte) *http.Response {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequest(method, url, reader)
	if err != nil {
		log.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	answer, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	if answer.StatusCode >= 300 {
		text, _ := io.ReadAll(answer.Body)
		log.Fatal(method, " ", url, ": ", answer.Status, " ", string(text))
	}
	return answer
}

// done reads the answer to its end, so that its connection serves again.
func done(answer *http.Response) *http.Response {
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return answer
}
