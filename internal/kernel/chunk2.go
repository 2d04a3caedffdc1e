package kernel

import "unsafe"

// chunk2s are the kernels of the Mamba-2 recurrence in its matrix form.
type chunk2s struct{ weigh2, finish2, productRows, productColumns, transpose func(unsafe.Pointer) }

func (k *chunk2s) init(s *Set) {
	k.weigh2, k.finish2 = s.must("weigh2"), s.must("finish2")
	k.productRows, k.productColumns, k.transpose = s.must("productRows"), s.must("productColumns"), s.must("transpose")
}

// Chunk is how many tokens a chunk of the matrix form holds.
const Chunk = 32

// Panel is how many columns of a product's right operand lie together.
func (s *Set) Panel() int { return 2 * s.Lanes }

// ProductTile is the unit of the number of rows of a product.
func (s *Set) ProductTile() int {
	if s.Lanes == 8 {
		return 4
	}
	return 8
}

// Product is Out = Keep*Out + A·B for one panel [K][Panel] of B, the layout of
// ProductArgs in c/chunk2.c. With Keep 0 whatever Out holds is gone.
type Product struct {
	A             *float32
	LdA           int
	B             *float32
	Rows, K, More int // every further tile of rows has More more terms than K
	Out           *float32
	LdOut         int
	Keep          float32
}

// ProductRows multiplies A [Rows][LdA].
func (s *Set) ProductRows(a *Product) { s.productRows(unsafe.Pointer(a)) }

// ProductColumns multiplies the transpose of A [K][LdA].
func (s *Set) ProductColumns(a *Product) { s.productColumns(unsafe.Pointer(a)) }

// Weigh2 is the arguments of Weigh2, the layout of WeighArgs in c/chunk2.c: from
// a chunk's x, B, C, rates and G = C·Bᵀ [Tokens][Chunk] it makes the left
// operand A [Tokens][LdA] of y (C times the decay so far, and from column NA on
// G times the decay between two tokens), the left operand BW [Tokens][NA] of
// the state, and the panels XDt of x times dt.
type Weigh2 struct {
	X, B, C               *float32
	Dt, Decay             *float32
	G                     *float32
	LdX, LdB, LdC, LdRate int // float32 from token to token
	Tokens, N, P          int
	A                     *float32
	LdA, NA               int
	BW, XDt               *float32
	Panel                 int      // float32 from panel to panel
	L                     *float32 // [Chunk] to work in; L[0] becomes the chunk's decay
}

// Weigh2 runs a.
func (s *Set) Weigh2(a *Weigh2) { s.weigh2(unsafe.Pointer(a)) }

// Transpose is Out[c*LdOut+r] = X[r*LdX+c].
type Transpose struct {
	X, Out                 *float32
	Rows, Cols, LdX, LdOut int
}

// Transpose runs a.
func (s *Set) Transpose(a *Transpose) { s.transpose(unsafe.Pointer(a)) }

// Finish2 is Out = Y + D*X, [Tokens][N].
type Finish2 struct {
	Y, X, Out       *float32
	Tokens, N       int
	LdY, LdX, LdOut int
	D               float32
}

// Finish2 runs a.
func (s *Set) Finish2(a *Finish2) { s.finish2(unsafe.Pointer(a)) }
