// Command load measures an xDS control plane with simulated Envoys.
//
// Each Envoy has a connection of its own and one ADS stream, on which it says what an Envoy 1.40 says: a node of 61 KB
// first, the wildcard subscription to clusters, the subscription to all their endpoints by name before the clusters
// are acknowledged, an acknowledgement for every response. Responses are scanned as wire format and never unmarshalled,
// so that the client costs little beside the server that it shares the machine with.
//
// A run has up to four phases: all Envoys connect at once; changes are made one after another; changes are made at a
// steady rate; nothing happens. The server makes a change when the touch URL is posted to, in which {i} becomes a
// cluster's position in the order of names. The change has arrived on a stream with an assignment of this cluster whose
// bytes are others than before.
//
// It prints one line of JSON, and exits with 1 when a stream failed or a change did not arrive.
//
// A GOPATH build has no go.mod to say which Go it was written for, hence the directive:
//
//go:debug default=go1.24
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type options struct {
	xds, variant, touchURL string
	pids                   []int
	streams, touches       int
	nodeEvery              bool
	control, watch         bool
	rate                   float64
	steady, idleFor        time.Duration
	gap, quiet, timeout    time.Duration
}

func parseOptions() (options, error) {
	var o options
	var pids string
	flag.StringVar(&o.xds, "xds", "127.0.0.1:18000", "address of the control plane")
	flag.StringVar(&pids, "pid", "", "its process, or several with commas; their children are counted too")
	flag.StringVar(&o.variant, "variant", "sotw", "sotw or delta; both on ADS")
	flag.IntVar(&o.streams, "streams", 100, "Envoys that connect at once")
	flag.BoolVar(&o.nodeEvery, "node-every", false, "send the node in every request, as Envoy does by default")
	flag.BoolVar(&o.control, "control", false, "one Envoy more, connected before the others, sees changes while they connect")
	flag.BoolVar(&o.watch, "watch", false, "be that Envoy: says when it is warm, makes changes from a line on stdin to its end")
	flag.StringVar(&o.touchURL, "touch", "", "URL to post to for a change of an endpoint of the cluster number {i}")
	flag.IntVar(&o.touches, "touches", 20, "changes one after another")
	flag.Float64Var(&o.rate, "rate", 0, "changes per second in the steady phase")
	flag.DurationVar(&o.steady, "steady", 0, "length of the steady phase")
	flag.DurationVar(&o.idleFor, "idle", 0, "length of the idle phase")
	flag.DurationVar(&o.gap, "gap", 200*time.Millisecond, "pause between changes that are made one after another")
	flag.DurationVar(&o.quiet, "quiet", time.Second, "silence that ends a phase")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long to wait for Envoys to be warm, and for a change")
	flag.Parse()
	for _, text := range strings.Split(pids, ",") {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return o, errors.New("-pid is no process")
		}
		o.pids = append(o.pids, pid)
	}
	switch {
	case o.variant != "sotw" && o.variant != "delta":
		return o, errors.New("-variant is sotw or delta")
	case o.streams < 1:
		return o, errors.New("-streams is at least 1")
	case (o.rate > 0) != (o.steady > 0):
		return o, errors.New("-rate and -steady go together")
	case !strings.Contains(o.touchURL, "{i}") && (o.touches > 0 || o.rate > 0 || o.control || o.watch):
		return o, errors.New("-touch must be a URL with {i}, or no change asked for")
	}
	return o, nil
}

func newLoad(o options) *load {
	f := &fleet{
		address: o.xds, delta: o.variant == "delta", nodeEvery: o.nodeEvery,
		nodes: newNodes(), catalogue: newCatalogue(), changes: newChanges(), seed: maphash.MakeSeed(),
	}
	client := http.Client{
		Timeout:   o.timeout,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, // a steady rate has many calls under way
	}
	return &load{options: o, fleet: f, client: client, order: sync.OnceValue(f.catalogue.inOrder)}
}

// run goes through the phases that were asked for.
func (l *load) run(ctx context.Context, out *report) error {
	before, err := usageOf(l.pids)
	if err != nil {
		return err
	}
	out.Memory.Before = megabytes(before.rss)
	if err := l.storm(ctx, out); err != nil {
		return err
	}
	out.Memory.Warm = out.Storm.RSS
	if l.touches > 0 {
		if out.Touch, err = l.touchOneByOne(); err != nil {
			return err
		}
	}
	if l.rate > 0 {
		if out.Steady, err = l.touchSteadily(); err != nil {
			return err
		}
	}
	if l.idleFor > 0 {
		if out.Idle, err = l.idle(); err != nil {
			return err
		}
	}
	after, err := usageOf(l.pids)
	out.Memory.After, out.Memory.Peak = megabytes(after.rss), megabytes(after.peak)
	return err
}

func (l *load) measure() report {
	out := report{Variant: l.variant, Streams: l.streams, NodeBytes: len(l.fleet.nodes.node(0)), NodeEvery: l.nodeEvery}
	ctx, end := context.WithCancel(context.Background())
	if err := l.run(ctx, &out); err != nil {
		l.fail(err)
	}
	end()
	l.ended.Wait() // from here on the Envoys are ours to read
	out.Clusters = len(l.fleet.catalogue.numbers)
	out.Consistent = consistent(l.envoys)
	out.Errors = l.errors
	return out
}

func main() {
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	if o.watch {
		if err := newLoad(o).follow(); err != nil {
			fmt.Fprintln(os.Stderr, "load -watch:", err)
			os.Exit(1)
		}
		return
	}
	out := newLoad(o).measure()
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil || len(out.Errors) > 0 || !out.Consistent {
		os.Exit(1)
	}
}
