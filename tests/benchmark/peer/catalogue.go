package main

import (
	"fmt"
	"sync"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// catalogue is what there is to serve. Resources may be in use by a cache and are replaced, never changed.
type catalogue struct {
	mu          sync.Mutex
	revision    int
	endpoints   int // of each cluster
	clusters    []types.Resource
	assignments []types.Resource
}

func newCatalogue(clusters, endpoints int) *catalogue {
	c := &catalogue{endpoints: endpoints}
	for i := range clusters {
		c.clusters = append(c.clusters, newCluster(i))
		c.assignments = append(c.assignments, newAssignment(i, endpoints, 0))
	}
	return c
}

func (c *catalogue) size() int { return len(c.clusters) }

// touch gives the first endpoint of a cluster another port and publishes it.
func (c *catalogue) touch(i int, p publisher) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revision++
	c.assignments[i] = newAssignment(i, c.endpoints, c.revision)
	return p.publish(i)
}

func name(i int) string { return fmt.Sprintf("service-%05d", i) }

func newCluster(i int) *cluster.Cluster {
	return &cluster.Cluster{
		Name:                 name(i),
		ConnectTimeout:       durationpb.New(time.Second),
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{EdsConfig: &core.ConfigSource{
			ResourceApiVersion:    core.ApiVersion_V3,
			ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
		}},
	}
}

const (
	port         = 8080
	changedPorts = 10000 // a changed endpoint has one of the ports from this one on
	manyPorts    = 50000
)

// newAssignment is that of a cluster; its first endpoint has been changed at this revision, or never when it is 0.
func newAssignment(i, endpoints, revision int) *endpoint.ClusterLoadAssignment {
	members := make([]*endpoint.LbEndpoint, endpoints)
	for e := range members {
		members[e] = newMember(i*endpoints+e, port)
	}
	if revision > 0 {
		members[0] = newMember(i*endpoints, changedPorts+revision%manyPorts)
	}
	return &endpoint.ClusterLoadAssignment{
		ClusterName: name(i),
		Endpoints: []*endpoint.LocalityLbEndpoints{{
			Locality:            &core.Locality{Region: "eu-west-1", Zone: "eu-west-1a"},
			LoadBalancingWeight: wrapperspb.UInt32(uint32(endpoints)),
			LbEndpoints:         members,
		}},
	}
}

func newMember(n, port int) *endpoint.LbEndpoint {
	socket := &core.SocketAddress{
		Address:       fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255),
		PortSpecifier: &core.SocketAddress_PortValue{PortValue: uint32(port)},
	}
	return &endpoint.LbEndpoint{
		HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{
			Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: socket}},
		}},
		HealthStatus:        core.HealthStatus_HEALTHY,
		LoadBalancingWeight: wrapperspb.UInt32(1),
	}
}
