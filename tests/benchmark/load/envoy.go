package main

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
)

const (
	clusterType    = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	assignmentType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	aggregated     = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"

	// Envoy's defaults of initial_stream_window_size and initial_connection_window_size.
	streamWindow     = 16 << 20
	connectionWindow = 24 << 20
)

// fleet is what all Envoys of a run share.
type fleet struct {
	address   string
	delta     bool
	nodeEvery bool
	nodes     nodes
	catalogue *catalogue
	changes   *changes
	seed      maphash.Seed
	traffic   traffic
}

// traffic counts what all connections carried: messages, and bytes with the framing of gRPC and HTTP/2.
type traffic struct{ messages, received, sent atomic.Int64 }

// envoy is one simulated Envoy: a connection with one ADS stream. Its fields belong to run until that has returned.
type envoy struct {
	*fleet
	id     int
	stream grpc.ClientStream
	warm   func() // called once, when every assignment has arrived
	names  []byte // resource_names of the EDS subscription, encoded
	wanted int
	held   []uint64 // by cluster: unknown, awaited, or a hash of its assignment
	have   int
	eds    response // the last one of EDS, for what a request repeats
}

// run connects and lives until the context ends or something is wrong.
func (e *envoy) run(ctx context.Context) error {
	conn, err := grpc.NewClient("passthrough:///"+e.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(e.traffic.dial),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow))
	if err != nil {
		return err
	}
	defer conn.Close()
	method := aggregated + "StreamAggregatedResources"
	if e.delta {
		method = aggregated + "DeltaAggregatedResources"
	}
	e.stream, err = conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method,
		grpc.ForceCodecV2(rawCodec{}), grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(math.MaxInt32))
	if err != nil {
		return err
	}
	if err := e.request(clusterType, response{}, nil, true); err != nil {
		return err
	}
	for {
		if err := e.next(); err != nil {
			return err
		}
	}
}

// next receives one response and answers it.
func (e *envoy) next() error {
	var buffer mem.Buffer
	if err := e.stream.RecvMsg(&buffer); err != nil {
		return err
	}
	defer buffer.Free()
	at := time.Now()
	e.traffic.messages.Add(1)
	r, err := parseResponse(buffer.ReadOnlyData(), e.delta)
	switch {
	case err != nil:
		return err
	case r.removed > 0:
		return fmt.Errorf("%d resources of %s were removed, although none should be", r.removed, r.typeURL)
	case r.typeURL == clusterType:
		return e.takeClusters(r)
	case r.typeURL == assignmentType:
		return e.takeAssignments(r, at)
	}
	return fmt.Errorf("a response of the type %q, which was not asked for", r.typeURL)
}

// takeClusters subscribes to the assignments of new clusters before it acknowledges, as Envoy does.
func (e *envoy) takeClusters(r response) error {
	var added []byte
	before := e.wanted
	for _, cluster := range r.resources {
		name, err := assignmentName(cluster)
		if err != nil {
			return err
		}
		if name != "" && e.want(e.catalogue.number(name)) {
			added = appendString(added, 3, name)
		}
	}
	e.names = append(e.names, added...)
	if e.wanted > before {
		last, names := e.eds, e.names // SotW says it all again
		if e.delta {
			last, names = response{}, added
		}
		if err := e.request(assignmentType, last, names, false); err != nil {
			return err
		}
	}
	return e.request(clusterType, r, nil, false)
}

const (
	unknown = iota // in held: not a cluster of this Envoy
	awaited        // a cluster whose assignment has not arrived
)

func (e *envoy) want(cluster int) bool {
	if cluster >= len(e.held) {
		e.held = append(e.held, make([]uint64, cluster+1-len(e.held))...)
	}
	if e.held[cluster] != unknown {
		return false
	}
	e.held[cluster] = awaited
	e.wanted++
	return true
}

// takeAssignments notes what is new and acknowledges; SotW repeats the whole subscription in that.
func (e *envoy) takeAssignments(r response, at time.Time) error {
	for _, assignment := range r.resources {
		cluster, known := e.catalogue.known(first(assignment, 1))
		if !known || cluster >= len(e.held) || e.held[cluster] == unknown {
			return fmt.Errorf("an assignment of %q, which was not asked for", first(assignment, 1))
		}
		hash := maphash.Bytes(e.seed, assignment) | 2 // neither unknown nor awaited
		switch e.held[cluster] {
		case hash:
			continue
		case awaited:
			e.have++
		default:
			e.changes.seen(cluster, e.id, at)
		}
		e.held[cluster] = hash
	}
	e.eds = response{version: r.version, nonce: r.nonce}
	names := e.names
	if e.delta {
		names = nil
	}
	if err := e.request(assignmentType, e.eds, names, false); err != nil {
		return err
	}
	if e.have == e.wanted && e.warm != nil {
		e.warm()
		e.warm = nil
	}
	return nil
}

// request sends a DiscoveryRequest or DeltaDiscoveryRequest that answers a response, if that has a nonce.
func (e *envoy) request(typeURL string, answered response, names []byte, introduce bool) error {
	var node []byte
	if introduce || e.nodeEvery {
		node = e.nodes.node(e.id)
	}
	if e.delta {
		return e.stream.SendMsg(deltaRequest(typeURL, answered, names, node))
	}
	return e.stream.SendMsg(sotwRequest(typeURL, answered, names, node))
}

func sotwRequest(typeURL string, answered response, names, node []byte) []byte {
	b := make([]byte, 0, len(node)+len(names)+256)
	if answered.version != "" {
		b = appendString(b, 1, answered.version)
	}
	if node != nil {
		b = appendMessage(b, 2, node)
	}
	b = append(b, names...)
	b = appendString(b, 4, typeURL)
	if answered.nonce != "" {
		b = appendString(b, 5, answered.nonce)
	}
	return b
}

func deltaRequest(typeURL string, answered response, names, node []byte) []byte {
	b := make([]byte, 0, len(node)+len(names)+256)
	if node != nil {
		b = appendMessage(b, 1, node)
	}
	b = append(appendString(b, 2, typeURL), names...)
	if answered.nonce != "" {
		b = appendString(b, 6, answered.nonce)
	}
	return b
}

// dial opens a connection whose bytes are counted.
func (t *traffic) dial(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return counted{conn, t}, nil
}

type counted struct {
	net.Conn
	traffic *traffic
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.received.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.sent.Add(int64(n))
	return n, err
}

// consistent tells whether these Envoys hold the same bytes of every assignment.
func consistent(envoys []*envoy) bool {
	return !slices.ContainsFunc(envoys, func(e *envoy) bool {
		return e.have != e.wanted || !slices.Equal(e.held, envoys[0].held)
	})
}
