package quant

// Moments are sums over the rows of numbers that a matrix is multiplied by.
type Moments struct {
	Count   int64     // rows
	Squares []float64 // of each column
	// Products are the sums of each column times every other of the same
	// CovWidth, [columns][CovWidth], filled only up to the column's own count.
	// They are nil where the number of columns is no multiple of CovWidth.
	Products []float32
}

// NewMoments are sums over no rows yet.
func NewMoments(cols int) *Moments {
	m := &Moments{Squares: make([]float64, cols)}
	if cols%CovWidth == 0 {
		m.Products = make([]float32, cols*CovWidth)
	}
	return m
}

// Add counts one row.
func (m *Moments) Add(row []float32) {
	for i, v := range row {
		m.Squares[i] += float64(v) * float64(v)
	}
	for i := range m.Products[:len(m.Products)/CovWidth] {
		first := i &^ (CovWidth - 1)
		v, sums := row[i], m.Products[i*CovWidth:(i+1)*CovWidth]
		for j, u := range row[first : i+1] { // the rest mirrors it
			sums[j] += v * u
		}
	}
	m.Count++
}
