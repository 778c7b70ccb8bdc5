package main

import (
	"slices"
	"sync"
)

// catalogue numbers the clusters, so that a stream keeps what it holds in slices; all streams share it.
type catalogue struct {
	mu      sync.RWMutex
	numbers map[string]int
}

func newCatalogue() *catalogue { return &catalogue{numbers: map[string]int{}} }

// known returns the number of a cluster that some stream has been told of.
func (c *catalogue) known(name []byte) (int, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	number, ok := c.numbers[string(name)]
	return number, ok
}

// number returns the number of a cluster, the next one when it is new.
func (c *catalogue) number(name string) int {
	if number, ok := c.known([]byte(name)); ok {
		return number
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	number, ok := c.numbers[name]
	if !ok {
		number = len(c.numbers)
		c.numbers[name] = number
	}
	return number
}

// inOrder returns the numbers of all clusters in the order of their names.
func (c *catalogue) inOrder() []int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := make([]string, 0, len(c.numbers))
	for name := range c.numbers {
		names = append(names, name)
	}
	slices.Sort(names)
	order := make([]int, len(names))
	for i, name := range names {
		order[i] = c.numbers[name]
	}
	return order
}
