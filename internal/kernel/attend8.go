package kernel

import (
	"github.com/mil-run/mil/quant"
)

// A tile of a cache of int8, as in c/attend8.c: 32 float16 scales, then [32][32]
// int8. Its columns are positions of keys or dimensions of values; a scale is of
// 32 dimensions of one position.
const (
	scaleBytes = 2 * Strip
	Tile       = scaleBytes + Strip*Strip
)

var q8, _ = quant.Q8_0.Spec()

// cell is one position's block of 32 dimensions on its way into a cache.
type cell struct {
	block [Strip]float32 // filled up with zeros
	bytes [34]byte
}

// pack makes bytes of up to 32 dimensions.
func (c *cell) pack(x []float32) {
	clear(c.block[copy(c.block[:], x):])
	q8.Pack(c.bytes[:], c.block[:])
}

// key writes the key of a block's position: a column of each of its strip's
// tiles.
func (c *cell) key(x []float32, keys *Strips, pos int) {
	tile, column := keys.Data[pos/Strip*keys.Size:], pos%Strip
	for ; len(x) > 0; x, tile = x[min(Strip, len(x)):], tile[Tile:] {
		c.pack(x[:min(Strip, len(x))])
		copy(tile[2*column:], c.bytes[:2])
		levels := tile[scaleBytes+column : Tile]
		for i, v := range c.bytes[2:] {
			levels[i*Strip] = v
		}
	}
}

// value writes the value of a block's position: a row of a tile of each strip.
func (c *cell) value(x []float32, values *Strips, pos int) {
	row := pos % Strip
	for at := pos / Strip * Tile; len(x) > 0; x, at = x[min(Strip, len(x)):], at+values.Size {
		c.pack(x[:min(Strip, len(x))])
		tile := values.Data[at : at+Tile]
		copy(tile[2*row:], c.bytes[:2])
		copy(tile[scaleBytes+row*Strip:], c.bytes[2:])
	}
}
