package main

import (
	"fmt"
	"slices"
)

// extensions is how many an Envoy 1.40 names in its node; they make nearly all of its 61 KB.
const extensions = 516

// nodes makes the nodes of all streams: alike but for the id, as those of one fleet are.
type nodes struct{ shared []byte }

func newNodes() nodes {
	locality := appendString(appendString(nil, 1, "eu-west-1"), 2, "eu-west-1a")
	version := appendMessage(nil, 1, appendVarint(appendVarint(nil, 1, 1), 2, 40)) // BuildVersion{SemanticVersion}
	b := appendString(nil, 2, "benchmark")
	b = appendMessage(b, 4, locality)
	b = appendString(b, 6, "envoy")
	b = appendMessage(b, 8, version)
	for i := range extensions {
		name := fmt.Sprintf("envoy.filters.network.synthetic_extension_%03d", i)
		extension := appendString(nil, 1, name)
		extension = appendString(extension, 2, "envoy.filters.network")
		extension = appendString(extension, 6, fmt.Sprintf("envoy.extensions.filters.network.n%03d.v3.Name", i))
		b = appendMessage(b, 9, extension)
	}
	return nodes{shared: b}
}

func (n nodes) node(id int) []byte {
	return slices.Concat(appendString(nil, 1, fmt.Sprintf("envoy-%05d", id)), n.shared)
}
