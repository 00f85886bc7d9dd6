/* malloc and free, and recursion over what they give: binary trees. */
#include "kernel.h"

typedef struct Node { struct Node *left, *right; } Node;

static Node *grow(int depth)
{
    Node *node = malloc(sizeof *node);
    if (!node) abort();
    node->left = depth ? grow(depth - 1) : NULL;
    node->right = depth ? grow(depth - 1) : NULL;
    return node;
}

static uint32_t nodes_of(const Node *node)
{
    return node ? 1 + nodes_of(node->left) + nodes_of(node->right) : 0;
}

static void cut(Node *node)
{
    if (!node) return;
    cut(node->left);
    cut(node->right);
    free(node);
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    Node *kept = grow(16);
    for (int depth = 4; depth <= 12; depth += 2)
        for (int i = 0; i < (1 << (16 - depth)) * (int)seed; i++) {
            Node *tree = grow(depth);
            sum += nodes_of(tree);
            cut(tree);
        }
    sum = fold(sum, nodes_of(kept));
    cut(kept);
    return sum;
}
