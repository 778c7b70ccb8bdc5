package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// watcher is the control Envoy: connected before the others, it sees changes while they connect. It is a process of its
// own, or its times would be those of a client that is busy with a thousand connections.
type watcher struct {
	command *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Reader
}

const watcherWarm = "warm\n"

// startWatcher returns when the control Envoy holds everything.
func (l *load) startWatcher() (*watcher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, "-watch", "-xds", l.xds, "-variant", l.variant, "-touch", l.touchURL,
		"-gap", l.gap.String(), "-timeout", l.timeout.String(), "-pid", strconv.Itoa(os.Getpid()))
	command.Stderr = os.Stderr
	orders, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	w := &watcher{command, orders, bufio.NewReader(answers)}
	if line, err := w.answers.ReadString('\n'); line != watcherWarm {
		return nil, errors.Join(fmt.Errorf("the control stream is not warm: %s", line), err, w.end(nil))
	}
	return w, nil
}

// begin has it make changes, until end.
func (w *watcher) begin() error {
	_, err := io.WriteString(w.orders, "begin\n")
	return err
}

// end stops it, and reads what it has seen.
func (w *watcher) end(out *controlReport) error {
	err := w.orders.Close()
	if out != nil {
		err = errors.Join(err, json.NewDecoder(w.answers).Decode(out))
	}
	return errors.Join(err, w.command.Wait())
}

// follow is the whole life of the control process.
func (l *load) follow() error {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	if _, err := l.connect(ctx, 1); err != nil {
		return errors.Join(err, errors.New(fmt.Sprint(l.errors)))
	}
	l.settle()
	fmt.Print(watcherWarm)
	orders := bufio.NewReader(os.Stdin)
	if _, err := orders.ReadString('\n'); err != nil {
		return err
	}
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, orders)
		close(over)
	}()
	seen, err := l.changeUntil(over)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}

// changeUntil makes a change whenever the last one has arrived, until the storm is over, and one at least.
func (l *load) changeUntil(over <-chan struct{}) (controlReport, error) {
	var latencies []time.Duration
	for n, more := 0, true; more; n++ {
		one, err := l.touch(n, 0, 1)
		if err != nil {
			return controlReport{}, fmt.Errorf("control stream: %w", err)
		}
		latencies = append(latencies, one.each...)
		select {
		case <-over:
			more = false
		case <-time.After(l.gap):
		}
	}
	return controlReport{Touches: len(latencies), Update: distribute(latencies)}, nil
}
