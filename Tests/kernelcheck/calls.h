// calls.h: an operator as a table of its arguments, and the checks that follow from the table: one instruction set
// against the contract's words, or portable, over types, shapes, layouts and threads, and what the entry point refuses.

#ifndef KERNELCHECK_CALLS_H
#define KERNELCHECK_CALLS_H

#include <stddef.h>

#include "guarded.h"
#include "patterns.h"

/// What an argument holds: rows and columns, or one element a row, a column or a part of each row, or scratch memory.
typedef enum extent { MATRIX, OF_ROWS, OF_COLS, OF_PARTS, SCRATCH } extent;

/// How it is stored: as the call's `type`, as its `parameter_type`, as floats.
typedef enum storage { STORED, PARAMETER, FLOATS } storage;

typedef enum need { REQUIRED, OPTIONAL } need;
typedef enum direction { READ, WRITTEN } direction;

/// A field that the argument struct does not have; no input to be in place of.
#define NO_FIELD ((size_t)-1)
#define NOWHERE (-1)

typedef struct argument {
    const char *name;
    size_t pointer, stride;  // offsets in the argument struct; NO_FIELD for a vector's stride
    extent extent;
    storage storage;
    direction direction;
    need need;
    int in_place;  // index of the input that this output may be, or NOWHERE
} argument;

enum { MOST_ARGUMENTS = 16, MOST_ARGS_BYTES = 512 };

typedef struct operator_table {
    const char *name;
    entry_point entry;
    const argument *arguments;
    int count;
    size_t rows, cols, type, parameter_type, epsilon;  // offsets; NO_FIELD where there is none
    size_t parts;                                      // offset of the number of parts, with an OF_PARTS argument
    size_t workspace_size;                             // offset, with a SCRATCH argument
    size_t (*workspace)(const void *args);
    int sums;  // whether rows meet in an output
    /// Fills the outputs from the contract's words; without it they are portable's.
    void (*contract)(const void *args);
    /// Draws the options that the table does not know.
    void (*draw)(check *c, void *args);
    /// Changes what was drawn where inputs must fit each other; `packed` has the arguments in the table's order.
    void (*settle)(const void *args, void *const *packed);
} operator_table;

/// One instruction set against the contract's words, or portable, where rows that do not meet are solved one by one.
void check_operator(check *c, const operator_table *o);

/// What the entry point refuses, leaving all memory as it is, and calls near a refusal that it accepts.
void check_operator_arguments(check *c, const operator_table *o);

/// Memory of an argument in bytes, for both checks.
int64_t argument_size_of(const operator_table *o, const argument *a, const void *args);
int64_t argument_rows(const operator_table *o, const argument *a, const void *args);
int64_t argument_cols(const operator_table *o, const argument *a, const void *args);

/// Fields of an argument struct.
int64_t *count_field(void *args, size_t offset);
void **pointer_field(void *args, size_t offset);

/// `count` numbers of a pattern, stored as `type` does.
void draw_numbers(check *c, void *to, ck_type type, int64_t count, int64_t patterns);

#endif
