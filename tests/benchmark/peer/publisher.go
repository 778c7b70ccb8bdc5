package main

import (
	"context"
	"strconv"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// publisher makes what a catalogue holds visible, through one of go-control-plane's caches.
type publisher interface {
	cache() cache.Cache
	// publish is called with the catalogue locked, when the cluster number i has another assignment.
	publish(i int) error
}

// snapshot publishes everything anew with each change, as SnapshotCache wants it: most control planes use that one.
type snapshot struct {
	catalogue *catalogue
	snapshots cache.SnapshotCache
}

// everyNode puts all nodes into one group, which gets one snapshot.
type everyNode struct{}

func (everyNode) ID(*core.Node) string { return "every node" }

func newSnapshot(c *catalogue) (publisher, error) {
	s := snapshot{c, cache.NewSnapshotCache(true, everyNode{}, nil)}
	return s, s.publish(0)
}

func (s snapshot) cache() cache.Cache { return s.snapshots }

func (s snapshot) publish(int) error {
	content, err := cache.NewSnapshot("0", map[resource.Type][]types.Resource{resource.ClusterType: s.catalogue.clusters})
	if err != nil {
		return err
	}
	version := strconv.Itoa(s.catalogue.revision) // of the assignments alone: the clusters stay what they are
	content.Resources[types.Endpoint] = cache.NewResources(version, s.catalogue.assignments)
	return s.snapshots.SetSnapshot(context.Background(), everyNode{}.ID(nil), content)
}

// linear publishes single resources; go-control-plane's answer to large collections that change in few places.
type linear struct {
	catalogue   *catalogue
	assignments *cache.LinearCache
	types       *cache.MuxCache
}

func newLinear(c *catalogue) (publisher, error) {
	assignments := linearCache(resource.EndpointType, c.assignments)
	caches := map[string]cache.Cache{
		resource.ClusterType:  linearCache(resource.ClusterType, c.clusters),
		resource.EndpointType: assignments,
	}
	return linear{c, assignments, &cache.MuxCache{
		Classify:      func(r *cache.Request) string { return r.GetTypeUrl() },
		ClassifyDelta: func(r *cache.DeltaRequest) string { return r.GetTypeUrl() },
		Caches:        caches,
	}}, nil
}

func linearCache(typeURL string, resources []types.Resource) *cache.LinearCache {
	named := map[string]types.Resource{}
	for i, r := range resources {
		named[name(i)] = r
	}
	return cache.NewLinearCache(typeURL, cache.WithInitialResources(named))
}

func (l linear) cache() cache.Cache { return l.types }

func (l linear) publish(i int) error {
	return l.assignments.UpdateResource(name(i), l.catalogue.assignments[i])
}
