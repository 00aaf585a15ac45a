"""Clarke: differentiation and optimization of programs that are not smooth."""
