package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const tick = 10 * time.Millisecond // the unit of CPU times in /proc, USER_HZ

// usage is what processes have used until now.
type usage struct {
	cpu       time.Duration
	rss, peak int64 // bytes; the peak is that of each process by itself, added up
}

// usageOf adds up the processes, their descendants, and those of these that have ended.
func usageOf(roots []int) (usage, error) {
	var total usage
	for _, pid := range withDescendants(roots) {
		one, err := usageOfProcess(pid)
		if err != nil && slices.Contains(roots, pid) {
			return total, fmt.Errorf("the server's process %d is gone: %w", pid, err)
		}
		total.cpu += one.cpu
		total.rss += one.rss
		total.peak += one.peak
	}
	return total, nil
}

func usageOfProcess(pid int) (usage, error) {
	stat, err := statOf(pid)
	if err != nil {
		return usage{}, err
	}
	var u usage
	for _, position := range []int{11, 12, 13, 14} { // utime, stime, and those of children that were waited for
		u.cpu += time.Duration(number(stat[position])) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		kilobytes := number(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch key {
		case "VmRSS":
			u.rss = kilobytes << 10
		case "VmHWM":
			u.peak = kilobytes << 10
		}
	}
	return u, err
}

func withDescendants(roots []int) []int {
	children := map[int][]int{}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		pid := int(number(filepath.Base(folder)))
		if stat, err := statOf(pid); err == nil { // else it has ended meanwhile
			parent := int(number(stat[1]))
			children[parent] = append(children[parent], pid)
		}
	}
	all := slices.Clone(roots)
	for i := 0; i < len(all); i++ {
		for _, child := range children[all[i]] {
			if !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}

// statOf returns the fields of /proc/PID/stat behind the name, which may hold anything; state is the first of them.
func statOf(pid int) ([]string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	text := string(content)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return nil, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	return fields, nil
}

// busy returns how long all processors together have worked, for whomever.
func busy() (time.Duration, error) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	var ticks int64
	for i, text := range strings.Fields(line) {
		switch i {
		case 1, 2, 3, 6, 7, 8: // user, nice, system, irq, softirq, steal
			ticks += number(text)
		}
	}
	return time.Duration(ticks) * tick, nil
}

// own returns the CPU time of this program.
func own() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// number reads what the kernel wrote; 0 for what is no number, such as the names among the values.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
