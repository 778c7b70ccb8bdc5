package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load is one run: its options, its Envoys, and what has gone wrong.
type load struct {
	options
	fleet  *fleet
	client http.Client  // for touches
	order  func() []int // the clusters by their position in the order of names; to be called when an Envoy is warm
	envoys []*envoy     // those that have been started, by id
	ended  sync.WaitGroup

	mu     sync.Mutex
	errors []string
}

const errorsTold = 5

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errors) < errorsTold {
		l.errors = append(l.errors, err.Error())
	}
}

// connect starts that many Envoys at once and returns how long each took to hold every assignment.
func (l *load) connect(ctx context.Context, count int) ([]time.Duration, error) {
	began := time.Now()
	times := make([]time.Duration, count)
	warm := make(chan error, count)
	for i := range count {
		e := &envoy{fleet: l.fleet, id: len(l.envoys)}
		e.warm = func() { times[i] = time.Since(began); warm <- nil }
		l.envoys = append(l.envoys, e)
		l.ended.Go(func() {
			if err := e.run(ctx); ctx.Err() == nil {
				err = fmt.Errorf("stream %d: %w", e.id, err)
				l.fail(err)
				select {
				case warm <- err:
				default: // it had been warm
				}
			}
		})
	}
	deadline := time.After(l.timeout)
	for got := range count {
		select {
		case err := <-warm:
			if err != nil {
				return nil, errors.New("a stream failed before it was warm")
			}
		case <-deadline:
			return nil, fmt.Errorf("%d of %d streams were not warm after %s", count-got, count, l.timeout)
		}
	}
	return times, nil
}

// storm has all Envoys connect at once, while the control Envoy, where there is one, sees changes.
func (l *load) storm(ctx context.Context, out *report) error {
	var control *watcher
	if l.control {
		var err error
		if control, err = l.startWatcher(); err != nil {
			return err
		}
	}
	meter, err := l.meter()
	if err != nil {
		return err
	}
	if control != nil {
		if err := control.begin(); err != nil {
			return err
		}
	}
	times, err := l.connect(ctx, l.streams)
	if control != nil {
		out.Control = &controlReport{}
		err = errors.Join(err, control.end(out.Control))
	}
	if err != nil {
		return err
	}
	l.settle()
	out.Storm = &stormReport{Stream: distribute(times)}
	out.Storm.AllWarm = out.Storm.Stream.Max
	out.Storm.cost, err = meter.read()
	return err
}

// touched is how long one change took: to each stream, and to the answer of the call that made it.
type touched struct {
	each []time.Duration
	call time.Duration
}

// touch changes the n-th cluster in the order of names, going round, and waits for the streams of these ids.
func (l *load) touch(n, from, to int) (touched, error) {
	order := l.order()
	position := n % len(order)
	change, ok := l.fleet.changes.begin(order[position], from, to)
	if !ok {
		return touched{}, fmt.Errorf("cluster %d: its change before this one has not arrived everywhere yet", position)
	}
	defer l.fleet.changes.end(order[position])
	if err := l.post(strings.ReplaceAll(l.touchURL, "{i}", strconv.Itoa(position))); err != nil {
		return touched{}, err
	}
	call := time.Since(change.began)
	select {
	case <-change.arrived:
		return touched{change.latency, call}, nil
	case <-time.After(l.timeout):
		return touched{}, fmt.Errorf("cluster %d: its change did not arrive at %d streams", position, change.left.Load())
	}
}

func (l *load) post(url string) error {
	answer, err := l.client.Post(url, "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, answer.Status, body)
	}
	return err
}

// touchOneByOne makes changes, each when the one before has arrived everywhere.
func (l *load) touchOneByOne() (*touchReport, error) {
	meter, err := l.meter()
	if err != nil {
		return nil, err
	}
	var all []touched
	for n := range l.touches {
		one, err := l.touch(n, 0, len(l.envoys))
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		time.Sleep(l.gap)
	}
	l.settle()
	return l.report(all, meter)
}

// touchSteadily makes changes at a rate, without waiting for any, and samples the server's memory.
func (l *load) touchSteadily() (*touchReport, error) {
	meter, err := l.meter()
	if err != nil {
		return nil, err
	}
	count := int(l.rate * l.steady.Seconds())
	all := make([]touched, count)
	failed := make(chan error, count)
	var sampled []int64
	var running sync.WaitGroup
	began := time.Now()
	for n := range count {
		time.Sleep(time.Until(began.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))))
		running.Go(func() {
			var err error
			if all[n], err = l.touch(n, 0, len(l.envoys)); err != nil {
				failed <- err
			}
		})
		if len(sampled) <= int(time.Since(began).Seconds()) {
			now, err := usageOf(l.pids)
			if err != nil {
				return nil, err
			}
			sampled = append(sampled, now.rss)
		}
	}
	running.Wait()
	close(failed)
	if err := <-failed; err != nil {
		return nil, err
	}
	l.settle()
	out, err := l.report(all, meter)
	if err == nil {
		out.Rate = l.rate
		out.FirstRSS, out.LastRSS = quarters(sampled)
	}
	return out, err
}

// idle lets time pass.
func (l *load) idle() (*cost, error) {
	meter, err := l.meter()
	if err != nil {
		return nil, err
	}
	time.Sleep(l.idleFor)
	out, err := meter.read()
	return &out, err
}

// settle waits until nothing has come in for a while, so that what a phase set off counts as its own.
func (l *load) settle() {
	messages := &l.fleet.traffic.messages
	last, since := messages.Load(), time.Now()
	for time.Since(since) < l.quiet {
		time.Sleep(l.quiet / 20)
		if now := messages.Load(); now != last {
			last, since = now, time.Now()
		}
	}
}
