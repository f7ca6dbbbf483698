"""The structs of CKernels as ctypes, read from its public headers, so that they cannot drift apart."""

import ctypes
import pathlib
import re

INCLUDE = pathlib.Path(__file__).parents[3] / "CKernels" / "include"
NAMES = {"int64_t": ctypes.c_int64, "int32_t": ctypes.c_int32, "uint64_t": ctypes.c_uint64, "size_t": ctypes.c_size_t,
         "uint32_t": ctypes.c_uint32, "float": ctypes.c_float, "double": ctypes.c_double}  # enums are ints


def structs():
    """Name -> ctypes.Structure. Pointers are void * (char * stays text)."""
    found = {}
    text = "\n".join(path.read_text() for path in sorted(INCLUDE.glob("ck_*.h"), key=_order))
    text = re.sub(r"//.*", "", text)
    for name in re.findall(r"typedef enum (\w+)", text):
        found[name] = ctypes.c_int
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, re.DOTALL):
        fields = []
        for declaration in filter(None, (line.strip() for line in body.split(";"))):
            kind, names = re.match(r"(?:const )?(\w+)\s*(.*)", declaration, re.DOTALL).groups()
            for field in (part.strip() for part in names.split(",")):
                plain = NAMES.get(kind) or found.get(kind)
                pointer = ctypes.c_char_p if kind == "char" else ctypes.c_void_p
                fields.append((field.lstrip("* "), pointer if "*" in field else plain))
        found[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return found


def _order(path):
    """Headers that others include come first."""
    return (path.name != "ck_base.h", path.name != "ck_mask.h", path.name)
