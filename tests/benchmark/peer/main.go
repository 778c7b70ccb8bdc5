// Command peer is a control plane on envoyproxy/go-control-plane, to measure others against: the same clusters and
// endpoints as the synthetic source gives to the bridge, from memory, through go-control-plane's own caches and with
// the server options of its example.
//
// A change is made by POST /touch?i=7: one endpoint of the cluster number 7 gets another port.
//
// A GOPATH build has no go.mod to say which Go it was written for, hence the directive:
//
//go:debug default=go1.24
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

func serveXDS(address string, resources cache.Cache) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := grpc.NewServer(
		grpc.MaxConcurrentStreams(1000000),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 30 * time.Second, PermitWithoutStream: true}),
	)
	xds := server.NewServer(context.Background(), resources, nil)
	discovery.RegisterAggregatedDiscoveryServiceServer(s, xds)
	return s.Serve(listener)
}

func touchHandler(c *catalogue, p publisher) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /touch", func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.FormValue("i"))
		if err != nil || i < 0 || i >= c.size() {
			http.Error(w, "i is the number of a cluster", http.StatusBadRequest)
			return
		}
		if err := c.touch(i, p); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

func run() error {
	xds := flag.String("xds", "127.0.0.1:18000", "address of the xDS server")
	touch := flag.String("touch", "127.0.0.1:18001", "address of the HTTP server that is told to make changes")
	kind := flag.String("cache", "snapshot", "snapshot (one for all nodes) or linear (one cache for each type)")
	clusters := flag.Int("clusters", 100, "how many clusters")
	endpoints := flag.Int("endpoints", 10, "how many endpoints each of them has")
	flag.Parse()
	if *clusters < 1 || *endpoints < 1 {
		return errors.New("-clusters and -endpoints are at least 1")
	}
	makePublisher, ok := map[string]func(*catalogue) (publisher, error){"snapshot": newSnapshot, "linear": newLinear}[*kind]
	if !ok {
		return fmt.Errorf("-cache is snapshot or linear, not %q", *kind)
	}
	c := newCatalogue(*clusters, *endpoints)
	p, err := makePublisher(c)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- serveXDS(*xds, p.cache()) }()
	go func() { failed <- http.ListenAndServe(*touch, touchHandler(c, p)) }()
	return <-failed
}

func main() {
	if err := run(); err != nil {
		log.Fatal("peer: ", err)
	}
}
