package main

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// rawCodec hands messages through as bytes: []byte out, *mem.Buffer in.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, into any) error {
	*into.(*mem.Buffer) = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

func appendString(b []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), text)
}

func appendMessage(b []byte, number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), message)
}

func appendVarint(b []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), value)
}

// field is one field of a message: bytes of a length-delimited one, value of a varint.
type field struct {
	number protowire.Number
	bytes  []byte
	value  uint64
}

// scan visits the fields of a message in their order, until visit fails.
func scan(message []byte, visit func(field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		f := field{number: number}
		switch kind {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// first returns the first length-delimited field of that number; nil when there is none.
func first(message []byte, number protowire.Number) []byte {
	var found []byte
	// What is malformed after the field is for whoever reads the whole message to find.
	_ = scan(message, func(f field) error {
		if f.number == number && found == nil {
			found = f.bytes
		}
		return nil
	})
	return found
}

// response is a DiscoveryResponse or a DeltaDiscoveryResponse; what it holds shares memory with the message.
type response struct {
	version, typeURL, nonce string
	resources               [][]byte // the messages within the Anys
	removed                 int
}

// parseResponse reads a message. Both kinds of response number these fields alike: 2 resources, 4 type, 5 nonce.
func parseResponse(message []byte, delta bool) (response, error) {
	var r response
	err := scan(message, func(f field) error {
		switch f.number {
		case 1:
			r.version = string(f.bytes)
		case 2:
			wrapped := f.bytes // Any{1: type, 2: value}
			if delta {
				wrapped = first(f.bytes, 2) // Resource{2: Any}
			}
			r.resources = append(r.resources, first(wrapped, 2))
		case 4:
			r.typeURL = string(f.bytes)
		case 5:
			r.nonce = string(f.bytes)
		case 6:
			if delta {
				r.removed++
			}
		}
		return nil
	})
	if err == nil && r.nonce == "" {
		err = fmt.Errorf("a response of %s without a nonce", r.typeURL)
	}
	return r, err
}

const edsDiscovery = 3 // Cluster.DiscoveryType.EDS

// assignmentName returns the name that a Cluster's endpoints are asked for by, or "" when it takes none from EDS.
func assignmentName(cluster []byte) (string, error) {
	var name, service string
	var eds bool
	err := scan(cluster, func(f field) error {
		switch f.number {
		case 1:
			name = string(f.bytes)
		case 2:
			eds = f.value == edsDiscovery
		case 3: // EdsClusterConfig{2: service_name}
			service = string(first(f.bytes, 2))
		}
		return nil
	})
	switch {
	case err != nil || !eds:
		return "", err
	case service != "":
		return service, nil
	}
	return name, nil
}
