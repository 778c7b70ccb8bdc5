package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// change is a touch of one cluster under way: who has it yet, and how long it took.
type change struct {
	began   time.Time
	latency []time.Duration // by stream, each written by that stream alone; 0: not arrived
	from    int             // streams before this one are not waited for
	left    atomic.Int64
	arrived chan struct{} // closed when nobody is left
}

// changes are the touches under way, by the number of their cluster.
type changes struct {
	mu   sync.RWMutex
	open map[int]*change
}

func newChanges() *changes { return &changes{open: map[int]*change{}} }

// begin starts the clock of a touch that the streams of these ids, from and below to, are to receive; false while an
// earlier touch of the same cluster is still under way, which could not be told from this one.
func (c *changes) begin(cluster, from, to int) (*change, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, busy := c.open[cluster]; busy {
		return nil, false
	}
	next := &change{
		began: time.Now(), latency: make([]time.Duration, to-from), from: from, arrived: make(chan struct{}),
	}
	next.left.Store(int64(to - from))
	c.open[cluster] = next
	return next, true
}

func (c *changes) end(cluster int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, cluster)
}

// seen notes that a stream holds another assignment of the cluster since at.
func (c *changes) seen(cluster, stream int, at time.Time) {
	c.mu.RLock()
	open := c.open[cluster]
	c.mu.RUnlock()
	if open == nil || stream < open.from || stream >= open.from+len(open.latency) {
		return
	}
	if slot := &open.latency[stream-open.from]; *slot == 0 {
		*slot = max(at.Sub(open.began), 1)
		if open.left.Add(-1) == 0 {
			close(open.arrived)
		}
	}
}
