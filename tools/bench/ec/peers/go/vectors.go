package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"strings"

	"github.com/klauspost/reedsolomon"
)

// fill writes the numbers of splitmix64, little-endian.
func fill(shard []byte, state uint64) {
	var word [8]byte
	for at := 0; at < len(shard); at += 8 {
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(word[:], z^(z>>31))
		copy(shard[at:], word[:])
	}
}

// remakeVectors reads golden vectors and prints the Cauchy lines as this library makes them.
func remakeVectors() {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var technique string
		var k, m, size int
		var seed uint64
		if _, err := fmt.Sscan(lines.Text(), &technique, &k, &m, &size, &seed); err != nil {
			panic(err)
		}
		if technique != "cauchy" {
			continue
		}
		code, err := reedsolomon.New(k, m, reedsolomon.WithCauchyMatrix())
		if err != nil {
			panic(err)
		}
		shards := make([][]byte, k+m)
		for i := range shards {
			shards[i] = make([]byte, size)
			if i < k {
				fill(shards[i], seed+uint64(i))
			}
		}
		if err := code.Encode(shards); err != nil {
			panic(err)
		}
		var line strings.Builder
		fmt.Fprintf(&line, "%s %d %d %d %d", technique, k, m, size, seed)
		for _, shard := range shards[k:] {
			fmt.Fprintf(&line, " %08x", crc32.Checksum(shard, castagnoli))
		}
		fmt.Println(line.String())
	}
}
