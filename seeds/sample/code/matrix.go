// SPDX-License-Identifier: CC0-1.0

// A small program that solves systems of linear equations by Gaussian elimination.
package main

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// ErrSingular is returned if the equations have no solution or more than one.
var ErrSingular = errors.New("the matrix is singular")

// Matrix holds its rows one after another in a single slice.
type Matrix struct {
	Rows, Cols int
	data       []float64
}

// NewMatrix makes a matrix from its rows; it panics if they differ in length.
func NewMatrix(rows [][]float64) *Matrix {
	m := &Matrix{Rows: len(rows), Cols: len(rows[0])}
	for _, row := range rows {
		if len(row) != m.Cols {
			panic("all rows must have the same length")
		}
		m.data = append(m.data, row...)
	}
	return m
}

// At returns the element in row i and column j, both counted from 0.
func (m *Matrix) At(i, j int) float64 { return m.data[i*m.Cols+j] }

func (m *Matrix) set(i, j int, value float64) { m.data[i*m.Cols+j] = value }

// MulVec returns the product of the matrix and a vector.
func (m *Matrix) MulVec(v []float64) []float64 {
	result := make([]float64, m.Rows)
	for i := range result {
		for j, x := range v {
			result[i] += m.At(i, j) * x
		}
	}
	return result
}

// Solve returns x so that m times x equals b. It leaves m and b as they are.
func (m *Matrix) Solve(b []float64) ([]float64, error) {
	n := m.Rows
	if m.Cols != n || len(b) != n {
		return nil, fmt.Errorf("cannot solve %d x %d with %d values", m.Rows, m.Cols, len(b))
	}
	a := &Matrix{n, n, append([]float64(nil), m.data...)}
	x := append([]float64(nil), b...)

	for col := 0; col < n; col++ {
		// Taking the largest pivot keeps rounding errors small.
		pivot := col
		for row := col + 1; row < n; row++ {
			if math.Abs(a.At(row, col)) > math.Abs(a.At(pivot, col)) {
				pivot = row
			}
		}
		if math.Abs(a.At(pivot, col)) < 1e-12 {
			return nil, ErrSingular
		}
		for j := 0; j < n; j++ {
			upper, lower := a.At(col, j), a.At(pivot, j)
			a.set(col, j, lower)
			a.set(pivot, j, upper)
		}
		x[col], x[pivot] = x[pivot], x[col]

		for row := col + 1; row < n; row++ {
			factor := a.At(row, col) / a.At(col, col)
			for j := col; j < n; j++ {
				a.set(row, j, a.At(row, j)-factor*a.At(col, j))
			}
			x[row] -= factor * x[col]
		}
	}
	// The matrix is now an upper triangle, so the unknowns follow from the last to the first.
	for row := n - 1; row >= 0; row-- {
		for j := row + 1; j < n; j++ {
			x[row] -= a.At(row, j) * x[j]
		}
		x[row] /= a.At(row, row)
	}
	return x, nil
}

func main() {
	// Two apples and one pear cost 4 coins; one apple and three pears cost 7.
	m := NewMatrix([][]float64{{2, 1}, {1, 3}})
	x, err := m.Solve([]float64{4, 7})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("an apple costs %.0f coin, a pear %.0f coins\n", x[0], x[1])
}
