# Links of the Markdown pages, for Doxygen, which has the headers and these pages, but no other files and no headings.
s|\]\(([^)#:]*\.md)#[^)]*\)|](\1)|g
s|\]\(([^)#:]*/)?include/recur/[^)]*/([a-z_]+\.hpp)\)|](@ref \2)|g
s|\[([^]]*)\]\([^)#: ]*\.(cpp\|hpp\|py)\)|\1|g
s|\[([^]]*)\]\(oracles\)|\1|g
