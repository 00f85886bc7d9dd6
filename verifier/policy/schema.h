/* JSON Schema (2020-12) of the YAML files, for editors: made from the tables that they are read by. */
#ifndef FNVM_VERIFIER_POLICY_SCHEMA_H
#define FNVM_VERIFIER_POLICY_SCHEMA_H

#include <stdio.h>

void policy_schema_print(FILE *);
void manifest_schema_print(FILE *);
void gateway_schema_print(FILE *);

/* A policy as YAML: every key with what it is, at its default or, where that is no value, as a comment. */
void policy_defaults_print(FILE *);

#endif
