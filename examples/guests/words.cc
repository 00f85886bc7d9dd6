// The most frequent words of standard input: strings, containers and streams of libc++.
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>

int main()
{
    std::map<std::string, int> counts;
    std::string word;
    while (std::cin >> word) {
        std::transform(word.begin(), word.end(), word.begin(), ::tolower);
        counts[word]++;
    }
    std::vector<std::pair<std::string, int>> order(counts.begin(), counts.end());
    std::stable_sort(order.begin(), order.end(),
                     [](const auto &a, const auto &b) { return a.second > b.second; });
    for (size_t i = 0; i < order.size() && i < 3; i++)
        std::cout << order[i].second << " " << order[i].first << "\n";
    return order.empty() ? 1 : 0;
}
