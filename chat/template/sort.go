package template

// mergeSort returns items sorted, using up the slice itself. It keeps the order
// of equals and stops at the first error of less: the functions of package
// slices would go on comparing.
func mergeSort[T any](m *machine, items []T, less func(a, b T) (bool, error)) ([]T, error) {
	if err := m.spendItems(2 * len(items)); err != nil {
		return nil, err
	}
	from, to := items, make([]T, len(items))
	for width := 1; width < len(items); width *= 2 {
		for lo := 0; lo < len(items); lo += 2 * width {
			mid, hi := min(lo+width, len(items)), min(lo+2*width, len(items))
			if err := merge(from[lo:mid], from[mid:hi], to[lo:hi], less); err != nil {
				return nil, err
			}
		}
		from, to = to, from
	}
	return from, nil
}

func merge[T any](a, b, out []T, less func(a, b T) (bool, error)) error {
	for i := range out {
		second := len(a) == 0
		if !second && len(b) > 0 {
			var err error
			if second, err = less(b[0], a[0]); err != nil {
				return err
			}
		}
		if second {
			out[i], b = b[0], b[1:]
		} else {
			out[i], a = a[0], a[1:]
		}
	}
	return nil
}
