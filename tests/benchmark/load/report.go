package main

import (
	"math"
	"slices"
	"time"
)

// report is what a run prints. Times are milliseconds and memory is in units of 2^20 bytes.
type report struct {
	Variant   string         `json:"variant"`
	Streams   int            `json:"streams"`
	Clusters  int            `json:"clusters"`
	NodeBytes int            `json:"node_bytes"`
	NodeEvery bool           `json:"node_every"`
	Storm     *stormReport   `json:"storm,omitempty"`
	Control   *controlReport `json:"control,omitempty"`
	Touch     *touchReport   `json:"touch,omitempty"`
	Steady    *touchReport   `json:"steady,omitempty"`
	Idle      *cost          `json:"idle,omitempty"`
	Memory    memory         `json:"rss_mb"`
	// Consistent says that all streams held the same bytes in the end.
	Consistent bool     `json:"consistent"`
	Errors     []string `json:"errors"`
}

// cost is what a phase took, settling included.
type cost struct {
	Seconds       float64 `json:"seconds"`
	ServerCPU     float64 `json:"server_cpu_s"`
	ClientCPU     float64 `json:"client_cpu_s"`
	OtherCPU      float64 `json:"other_cpu_s"` // of everything else on the machine: the more, the less a time means
	Messages      int64   `json:"messages"`
	ReceivedBytes int64   `json:"received_bytes"` // as they came through the sockets
	SentBytes     int64   `json:"sent_bytes"`
	RSS           float64 `json:"rss_mb"` // of the server, when the phase ended
}

type stormReport struct {
	AllWarm float64       `json:"all_warm_ms"`
	Stream  *distribution `json:"stream_ms"`
	cost
}

// controlReport is about the stream that was there before the storm, and about changes made during it.
type controlReport struct {
	Touches int           `json:"touches"`
	Update  *distribution `json:"update_ms"`
}

type touchReport struct {
	Touches  int           `json:"touches"`
	Rate     float64       `json:"rate,omitempty"` // changes per second; absent: one after another
	Update   *distribution `json:"update_ms"`      // of every stream and touch
	Last     *distribution `json:"all_streams_ms"` // of every touch, until its last stream has it
	Call     *distribution `json:"call_ms"`        // of every touch, until the server has answered the call
	Messages float64       `json:"messages_per_stream_and_touch"`
	Bytes    float64       `json:"bytes_per_stream_and_touch"`
	CPU      float64       `json:"server_cpu_ms_per_touch"`
	// Peaks of the server's memory in the first and in the last quarter of a steady phase.
	FirstRSS float64 `json:"first_quarter_rss_mb,omitempty"`
	LastRSS  float64 `json:"last_quarter_rss_mb,omitempty"`
	cost
}

type memory struct {
	Before float64 `json:"before"`
	Warm   float64 `json:"warm"`
	After  float64 `json:"after"`
	Peak   float64 `json:"peak"`
}

type distribution struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// distribute returns nearest-rank percentiles, or nil of nothing. It sorts its argument.
func distribute(samples []time.Duration) *distribution {
	if len(samples) == 0 {
		return nil
	}
	slices.Sort(samples)
	rank := func(share float64) float64 {
		return milliseconds(samples[int(math.Ceil(share*float64(len(samples))))-1])
	}
	return &distribution{P50: rank(0.5), P99: rank(0.99), Max: rank(1)}
}

func milliseconds(d time.Duration) float64 { return round(float64(d) / 1e6) }

func megabytes(bytes int64) float64 { return round(float64(bytes) / (1 << 20)) }

func round(value float64) float64 { return math.Round(value*1000) / 1000 }
