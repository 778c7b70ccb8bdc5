package main

import (
	"slices"
	"time"
)

// meter remembers a moment, for what is used from then on.
type meter struct {
	load                     *load
	at                       time.Time
	server                   usage
	client, machine          time.Duration
	messages, received, sent int64
}

func (l *load) meter() (*meter, error) {
	server, err := usageOf(l.pids)
	if err != nil {
		return nil, err
	}
	machine, err := busy()
	t := &l.fleet.traffic
	return &meter{
		load: l, at: time.Now(), server: server, client: own(), machine: machine,
		messages: t.messages.Load(), received: t.received.Load(), sent: t.sent.Load(),
	}, err
}

func (m *meter) read() (cost, error) {
	now, err := m.load.meter()
	if err != nil {
		return cost{}, err
	}
	server, client := now.server.cpu-m.server.cpu, now.client-m.client
	return cost{
		Seconds:       round(now.at.Sub(m.at).Seconds()),
		ServerCPU:     round(server.Seconds()),
		ClientCPU:     round(client.Seconds()),
		OtherCPU:      round((now.machine - m.machine - server - client).Seconds()),
		Messages:      now.messages - m.messages,
		ReceivedBytes: now.received - m.received,
		SentBytes:     now.sent - m.sent,
		RSS:           megabytes(now.server.rss),
	}, nil
}

// report sums up touches that were made since the meter's moment.
func (l *load) report(all []touched, m *meter) (*touchReport, error) {
	var each, last, calls []time.Duration
	for _, one := range all {
		each = append(each, one.each...)
		last = append(last, slices.Max(one.each))
		calls = append(calls, one.call)
	}
	out := &touchReport{Touches: len(all), Update: distribute(each), Last: distribute(last), Call: distribute(calls)}
	var err error
	if out.cost, err = m.read(); err != nil {
		return nil, err
	}
	out.Messages = round(float64(out.cost.Messages) / float64(len(each)))
	out.Bytes = round(float64(out.ReceivedBytes) / float64(len(each)))
	out.CPU = round(out.ServerCPU * 1000 / float64(len(all)))
	return out, nil
}

// quarters returns the peaks in the first and in the last quarter of samples.
func quarters(samples []int64) (float64, float64) {
	quarter := max(len(samples)/4, 1)
	return megabytes(slices.Max(samples[:quarter])), megabytes(slices.Max(samples[len(samples)-quarter:]))
}
